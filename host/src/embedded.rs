//! The components that are part of the program: meshStack's own implementation types.

/// A component that is part of the program.
#[derive(Clone, Copy, Debug)]
pub struct Embedded {
    /// The name for `component.embedded` in routes.
    pub name: &'static str,
    /// The implementation types that go to it when no routes are configured.
    pub implementation_types: &'static [&'static str],
    /// The component.
    pub bytes: &'static [u8],
}

/// All of them.
pub const COMPONENTS: &[Embedded] = &[Embedded {
    name: "manual",
    implementation_types: &["MANUAL"],
    bytes: include_bytes!(env!("MANUAL_COMPONENT")),
}];
