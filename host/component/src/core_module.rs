//! Makes a component of a core module that says which: the C and Rust generators of `wit-bindgen` leave the type in custom
//! sections, and what `wasm-tools component new` does with it is done here, at load. Calls of the older WASI (preview 1)
//! go through wasmtime's own adapter.

use std::borrow::Cow;
use std::collections::HashSet;

use muster_core::plugins::COMPONENT_BYTES_MAX;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::ComponentEncoder;
use wit_parser::PackageId;

use crate::error::LoadError;

/// How the sections begin that have a type; generators of several worlds add their names.
const TYPE_SECTION: &str = "component-type";
/// Most packages a type may be made of.
const PACKAGES_MAX: usize = 200;

/// What to do with a core module that does not say which component it is: of no WASI, of WASI preview 1, a program of that.
const PLAIN: &str = "build it for the target wasm32-wasip2, or convert it to a component with `wasm-tools component \
                     embed` and \
                     `wasm-tools component new`, which need its WIT";
const PREVIEW1: &str = "this one is for WASI preview 1: build it for the target wasm32-wasip2, or convert it to a \
                        component with \
                        `wasm-tools component embed` and `wasm-tools component new --adapt`, which need its WIT and an \
                        adapter of preview 1";
const PROGRAM: &str = "this one is a program for WASI preview 1 (it exports `_start`); build a library that exports \
                       functions, for the target wasm32-wasip2";

/// The component: what was given, or what a core module was made into.
///
/// # Errors
/// When it is a core module without a type, or one that does not fit its type.
pub fn to_component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, LoadError> {
    let (mut has_type, mut is_preview1, mut is_program) = (false, false, false);
    for section in Parser::new(0).parse_all(bytes) {
        // Damaged modules are reported by the validation.
        let Ok(section) = section else { return Ok(Cow::Borrowed(bytes)) };
        #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
        match section {
            Payload::Version { encoding: Encoding::Component, .. } => return Ok(Cow::Borrowed(bytes)),
            Payload::CustomSection(section) if section.name().starts_with(TYPE_SECTION) => {
                has_type = true;
                check_packages(section.data())?;
            }
            Payload::ImportSection(imports) => {
                is_preview1 |= imports
                    .into_imports()
                    .filter_map(Result::ok)
                    .any(|import| import.module == WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME);
            }
            Payload::ExportSection(exports) => {
                is_program |= exports.into_iter().filter_map(Result::ok).any(|export| export.name == "_start");
            }
            _ => {}
        }
    }
    if !has_type {
        return Err(LoadError::CoreModule(match (is_preview1, is_program) {
            (false, _) => PLAIN,
            (true, false) => PREVIEW1,
            (true, true) => PROGRAM,
        }));
    }
    let component = encode(bytes, is_preview1).map_err(LoadError::CoreModuleMisfit)?;
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: component.len(), bytes_max: COMPONENT_BYTES_MAX });
    }
    Ok(Cow::Owned(component))
}

/// Refuses a type whose packages lean on one another in a circle, or are too many: what follows those leanings calls
/// itself for each, and a stack that overflows takes the whole host with it.
fn check_packages(section: &[u8]) -> Result<(), LoadError> {
    // An older form has a few bytes before the type itself. Unreadable types are rejected by the next reader.
    let start = section.windows(4).position(|bytes| bytes == b"\0asm").unwrap_or_default();
    let Ok(decoded) = wit_component::decode(section.get(start..).unwrap_or_default()) else { return Ok(()) };
    let resolve = decoded.resolve();
    let misfit = |reason: String| Err(LoadError::CoreModuleMisfit(reason));
    if resolve.packages.len() > PACKAGES_MAX {
        return misfit(format!("its type has {} packages; at most {PACKAGES_MAX} are allowed", resolve.packages.len()));
    }
    let mut settled: HashSet<PackageId> = HashSet::new();
    loop {
        let free = |id: PackageId| resolve.package_direct_deps(id).all(|other| settled.contains(&other));
        let next: Vec<PackageId> =
            (resolve.packages.iter()).map(|(id, _)| id).filter(|id| !settled.contains(id) && free(*id)).collect();
        if next.is_empty() {
            break;
        }
        settled.extend(next);
    }
    if settled.len() < resolve.packages.len() {
        return misfit("the packages of its type depend on each other in a cycle".to_owned());
    }
    Ok(())
}

fn encode(module: &[u8], is_preview1: bool) -> Result<Vec<u8>, String> {
    let encoder = || {
        let encoder = ComponentEncoder::default().validate(true).merge_imports_based_on_semver(true).module(module)?;
        if is_preview1 {
            let (name, adapter) = (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
            return encoder.adapter(name, adapter)?.encode();
        }
        let mut encoder = encoder;
        encoder.encode()
    };
    encoder().map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use wit_component::StringEncoding;
    use wit_parser::Resolve;

    /// A module, with the type of a world that exports `run`, and what becomes of it.
    #[track_caller]
    fn check(module: &str, typed: bool, expected: Result<(), &str>) {
        let mut module = wat::parse_str(module).unwrap();
        if typed {
            let mut resolve = Resolve::default();
            let package = resolve.push_source("t.wit", "package t:t; world w { export run: func(); }").unwrap();
            let world = resolve.select_world(&[package], None).unwrap();
            wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        }
        let inspected = crate::inspect(&module);
        match (inspected, expected) {
            (Ok(inspection), Ok(())) => {
                assert_eq!(inspection.exports, ["run"]);
                assert!(inspection.made_of_core_module);
                assert_eq!(
                    (inspection.size_bytes, &*inspection.digest),
                    (module.len(), &*crate::inspect::digest(&module))
                );
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (inspected, expected) => panic!("{inspected:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_module_with_a_type_is_a_component() {
        check(r#"(module (func (export "run")))"#, true, Ok(()));
        let preview1 = r#"(module
            (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "run")))"#;
        check(preview1, true, Ok(()));
    }

    #[test]
    fn a_module_that_is_none_is_told_why() {
        check(r#"(module (func (export "run")))"#, false, Err("wasm-tools component new"));
        let preview1 = r#"(import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))"#;
        check(&format!("(module {preview1})"), false, Err("this one is for WASI preview 1"));
        let program = format!(r#"(module {preview1} (func (export "_start")))"#);
        check(&program, false, Err("is a program for WASI preview 1"));
        check("(module)", true, Err("does not match its type"));
        check(r#"(module (import "env" "magic" (func)) (func (export "run")))"#, true, Err("does not match its type"));
    }
}
