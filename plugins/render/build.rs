//! Gives this plugin a larger stack than the workspace's guests have: the template engine calls itself for every level of
//! nesting, up to 150 of them, and what does not fit would end the call as a fault of the plugin.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_FAMILY").is_some_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=524288");
    }
}
