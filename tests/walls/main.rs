//! The walls: one hostile guest per attack, and what becomes of each.
//!
//! The guests are in `tests/guests`. For each there is a module of the same name here, or this does not compile. Tests go
//! through [`blockhouse::sandbox::Sandbox`] with limits that are tight enough to be hit within milliseconds.

// Everything here is test code, the parts that tests share as well.
#[cfg(test)]
mod compile;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod files;
#[cfg(test)]
mod fuel;
#[cfg(test)]
mod host_calls;
#[cfg(test)]
mod http;
#[cfg(test)]
mod load;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod neighbours;
#[cfg(test)]
mod place;
#[cfg(test)]
mod quota;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod secrets;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod shim;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod terraform;
#[cfg(test)]
mod time;
#[cfg(test)]
mod timeline;
#[cfg(test)]
mod trial;

#[cfg(test)]
mod every_guest_has_a_test {
    use crate::{
        endings::*, files::*, fuel::*, host_calls::*, http::*, load::*, memory::*, neighbours::*,
        quota::*, replay::*, secrets::*, surroundings::*, terraform::*, time::*, timeline::*,
    };

    macro_rules! has_a_test {
        ($guest:ident) => {
            #[expect(unused_imports, reason = "here to see that it exists")]
            use self::$guest as _;
        };
    }
    blockhouse_artifacts::foreach_wall!(has_a_test);
}
