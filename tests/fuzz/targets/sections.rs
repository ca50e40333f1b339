//! Custom sections of a component: metadata, manifest, docs, the tools that made it. What is kept of them is bounded, and moves
//! nothing on a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use muster_core::printable::is_active;

const NAMES: [&str; 13] = [
    "component-name", "name", "version", "description", "authors", "licenses", "source", "homepage", "revision", "producers",
    "muster:manifest", "package-docs", "muster:wit",
];
/// A component without anything in it.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

fuzz_target!(|input: &[u8]| {
    let mut component = EMPTY.to_vec();
    for section in input.split(|byte| *byte == 0xff).take(8) {
        let Some((first, data)) = section.split_first() else { continue };
        let name = NAMES[usize::from(*first) % NAMES.len()];
        let mut body = vec![name.len() as u8];
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(data);
        component.push(0);
        let mut length = body.len();
        while length >= 0x80 {
            component.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        component.push(length as u8);
        component.extend_from_slice(&body);
    }
    match muster_component::inspect(&component) {
        Err(error) => assert!(error.to_string().len() < 40_000 && !error.to_string().contains('\u{1b}')),
        Ok(inspection) => {
            let one_line = [&inspection.name, &inspection.version].into_iter().flatten().chain(&inspection.producers);
            for text in one_line {
                assert!(text.len() < 4_000 && !text.chars().any(is_active), "{text:?}");
            }
            let notes = inspection.notes();
            assert!(notes.iter().chain(&inspection.description).all(|text| text.len() < 64_000));
        }
    }
});
