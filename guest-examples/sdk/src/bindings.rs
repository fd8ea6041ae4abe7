//! What `wit-bindgen` makes of the WIT package.
//!
//! `export!` of this module makes a component of a type that implements `Guest`.

#![expect(
    missing_docs,
    reason = "generated from the WIT package, whose documentation is the manual"
)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "implementation",
    pub_export_macro: true,
    default_bindings_module: "blockhouse_sdk::bindings",
});
