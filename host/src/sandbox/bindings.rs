//! The host side of the WIT package, generated.

wasmtime::component::bindgen!({
    path: "../wit",
    world: "implementation",
    imports: {
        "blockhouse:block/artifacts": async | trappable,
        "blockhouse:block/http.send": async | trappable,
        "blockhouse:block/http.send-repeatable": async | trappable,
        "blockhouse:block/progress.pause": async | trappable,
        "blockhouse:block/sources": async | trappable,
        "blockhouse:block/terraform": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "blockhouse:block/progress.step": crate::capability::progress::StepHandle,
        "blockhouse:block/types.secret": crate::capability::types::SecretHandle,
    },
});
