//! A guest that gives back what it is given, of random types: what the engine makes of our values is what we meant.

use fastrand::Rng;
use proptest::prelude::*;
use serde_json::{Value, json};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

use super::super::call::{Answered, TypedCall};
use super::random;
use muster_component::functions::{Docs, Functions};

/// Parameters and a result that are too many for registers are passed by an address: giving it back is an echo.
const PADDING: usize = 16;
const GUEST: &str = r#"(module
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (block (loop
            (br_if 1 (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
            (drop (memory.grow (i32.const 16)))
            (br 0)))
        (local.get $at))
    (func (export "t:t/i#echo") (param i32) (result i32) (local.get 0)))"#;

/// A component with these functions in the interface `t:t/i`, which the module has under `t:t/i#NAME`.
pub(super) fn component(module: &str, interface: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let text = format!("package t:t; interface i {{ {interface} }} world w {{ export i; }}");
    let package = resolve.push_source("t.wit", &text).map_err(|error| resolve.render_error(&error)).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

fn engine() -> Engine {
    let mut config = Config::new();
    config.wasm_component_model_map(true).wasm_component_model_fixed_length_lists(true).concurrency_support(false);
    Engine::new(&config).unwrap()
}

/// Calls the only command of a component.
fn call(engine: &Engine, component: &[u8], arguments: &Value) -> (Answered, bool) {
    let functions = Functions::read(component, &Docs::default()).unwrap();
    let function = functions.commands.into_iter().next().unwrap();
    let component = Component::new(engine, component).unwrap();
    let call = TypedCall::find(&component, function).unwrap();
    let mut store = wasmtime_store(engine);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answered = runtime.block_on(async {
        let instance = Linker::new(engine).instantiate_async(&mut store, &component).await.unwrap();
        call.call(&mut store, instance, arguments).await.unwrap()
    });
    (answered, call.is_direct())
}

#[expect(clippy::disallowed_methods, reason = "a store without a plugin")]
fn wasmtime_store(engine: &Engine) -> Store<()> {
    Store::new(engine, ())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_guest_gets_what_was_meant(seed in any::<u64>()) {
        let mut rng = Rng::with_seed(seed);
        let shape = random::shape(&mut rng, 3);
        let mut declarations = String::new();
        let of = random::wit(&shape, &mut declarations);
        let parameters: Vec<String> = (0..PADDING).map(|index| format!("p{index}: u32")).collect();
        let parameters = parameters.join(", ");
        let interface = format!(
            "{declarations} echo: func(v: {of}, {parameters}) -> tuple<{of}{}>;", ", u32".repeat(PADDING)
        );
        let component = component(GUEST, &interface);
        let mut arguments = json!({"v": random::value(&shape, &mut rng, false)});
        for index in 0..PADDING {
            arguments[format!("p{index}")] = json!(index);
        }
        let (answered, _) = call(&engine(), &component, &arguments);
        let Answered::Result(text) = answered else { return Err(TestCaseError::fail(format!("{answered:?}"))) };
        let mut back: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back[1 + PADDING - 1], &json!(PADDING - 1));
        // Written twice it is in the one form the host writes.
        arguments["v"] = back[0].take();
        let Answered::Result(again) = call(&engine(), &component, &arguments).0 else {
            return Err(TestCaseError::fail("the second call failed"));
        };
        let again: Value = serde_json::from_str(&again).unwrap();
        prop_assert_eq!(&again[0], &arguments["v"], "{:?}", shape);
    }
}
