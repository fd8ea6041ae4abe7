//! Requests through the plain interface, one module per kind of attack.

mod addresses;
mod heads;
mod limits;
mod secrets;
mod targets;
mod tls;
