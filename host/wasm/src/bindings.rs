//! The contract of `wit/`, as Rust types. Generated; the only hand-written part is what the types are mapped to.

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "plugin-with-capabilities",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "wasi:keyvalue/store.bucket": crate::capability::keyvalue::Bucket,
    },
});
