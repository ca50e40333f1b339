//! Which exports are commands, what they are called, and what is said about them.

use super::*;
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// The functions of a component of this world; its functions do nothing.
#[track_caller]
fn read(wit: &str, docs: &Docs) -> Functions {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("t.wit", wit).map_err(|error| resolve.render_error(&error)).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    let mut module = wit_component::dummy_module(&resolve, world, wit_parser::ManglingAndAbi::Standard32);
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    Functions::read(&component, docs).unwrap()
}

fn names(functions: &Functions) -> Vec<String> {
    functions.commands.iter().map(|function| format!("{}/{}", function.name(), function.version())).collect()
}

fn reasons(functions: &Functions) -> Vec<String> {
    functions.skipped.iter().map(|skipped| format!("{}: {}", skipped.export, skipped.reason)).collect()
}

const WORLD: &str = "
    package acme:tools@1.2.0;
    interface greeter { get-user: func(); greet: func(name: string) -> string; }
    interface billing { get-user: func(); }
    world w { export greeter; export billing; export run-HTTP: func(); }
";

#[test]
fn a_command_has_the_functions_name_where_that_is_the_only_one() {
    let functions = read(WORLD, &Docs::default());
    assert_eq!(names(&functions), ["run_http/0", "greeter_get_user/0", "greet/0", "billing_get_user/0"]);
    assert_eq!(reasons(&functions), [""; 0]);
    assert_eq!(snake_case("get-URL-2"), "get_url_2");
}

#[test]
fn versions_of_an_interface_are_versions_of_its_commands() {
    let functions = read(
        "package t:t;
         world w { export acme:tools/greeter@1.0.0; export acme:tools/greeter@2.1.0; export acme:young/thing@0.3.0; }
         package acme:tools@1.0.0 { interface greeter { greet: func(); } }
         package acme:tools@2.1.0 { interface greeter { greet: func(name: string); } }
         package acme:young@0.3.0 { interface thing { act: func(); } }",
        &Docs::default(),
    );
    assert_eq!(names(&functions), ["greet/1", "greet/2", "act/0"]);
}

#[test]
fn what_is_no_plain_data_is_skipped_with_a_reason() {
    let long = "a".repeat(65);
    let functions = read(
        &format!(
            "package t:t;
             interface i {{
                 resource file {{ constructor(); read: func(); }}
                 open: func() -> file;
                 look: func(at: borrow<file>);
                 {long}: func();
                 deep: func(v: d);
                 type a = list<list<list<list<list<list<string>>>>>>;
                 type b = list<list<list<list<list<list<a>>>>>>;
                 type d = list<list<list<list<list<list<b>>>>>>;
                 type x1 = tuple<u16, u16, u16, u16, u16, u16, u16, u16, u16, u16>;
                 type x2 = tuple<x1, x1, x1, x1, x1, x1, x1, x1, x1, x1>;
                 type x3 = tuple<x2, x2, x2, x2, x2, x2, x2, x2, x2, x2>;
                 type x4 = tuple<x3, x3, x3>;
                 wide: func(v: x4);
                 fine: func();
             }}
             world w {{ export i; export init: func(); export exports: interface {{ init: func(); }} }}"
        ),
        &Docs::default(),
    );
    assert_eq!(names(&functions), ["fine/0"]);
    let reasons = reasons(&functions);
    for expected in [
        "init: toolchains add it for their own use",
        "exports: toolchains add it for their own use",
        "t:t/i#[constructor]file: it belongs to the resource `file`, which is not supported",
        "t:t/i#[method]file.read: it belongs to the resource `file`, which is not supported",
        "t:t/i#open: it uses a resource handle, which is not supported",
        "t:t/i#look: it uses a resource handle, which is not supported",
        "t:t/i#deep: its types nest deeper than 16 levels",
        "t:t/i#wide: its types have more than 2000 parts",
        &format!("t:t/i#{long}: `{long}` is not a valid command name"),
    ] {
        assert!(reasons.iter().any(|reason| reason.starts_with(expected)), "{expected}\n{}", reasons.join("\n"));
    }
    assert_eq!(reasons.len(), 9, "{}", reasons.join("\n"));
    // An author may call an interface as toolchains call theirs.
    let functions = read("package t:t; world w { export exports: interface { f: func(); } }", &Docs::default());
    assert_eq!((names(&functions), functions.skipped.len()), (vec!["f/0".to_owned()], 0));
}

#[test]
fn docs_come_from_sections_and_from_wit() {
    let wit = "package acme:tools@1.2.0;
        interface greeter {
            /// A person.
            record person {
                /// What they are called.
                full-name: string,
                age: option<u8>,
            }
            /// Greets a person.
            ///
            /// In *English*.
            greet: func(who: person) -> string;
            wave: func(who: person, hands: u8) -> result<string, person>;
        }
        world w { export greeter; }";
    let plain = read(wit, &Docs::default());
    let shown = |functions: &Functions, index: usize| functions.commands[index].to_json();
    // Toolchains drop comments; what is left are the types.
    assert_eq!(shown(&plain, 0)["summary"], "greet(who: person) -> string");
    assert_eq!(shown(&plain, 1)["summary"], "wave(who: person, hands: u8) -> result<string, person>");
    assert_eq!(
        shown(&plain, 0)["description"],
        "The function `acme:tools/greeter@1.2.0#greet`: `(who: person) -> string`."
    );

    let folder = std::env::temp_dir().join(format!("muster-wit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("world.wit"), wit).unwrap();
    let docs = Docs::read_directory(&folder).unwrap();
    std::fs::write(folder.join("world.wit"), "package a b").unwrap();
    assert!(Docs::read_directory(&folder).unwrap_err().to_string().contains("cannot be read"));
    std::fs::remove_dir_all(&folder).unwrap();

    let from_wit = read(wit, &docs);
    let check = |functions: &Functions| {
        let greet = shown(functions, 0);
        assert_eq!(greet["summary"], "Greets a person");
        assert!(greet["description"].as_str().unwrap().starts_with("In *English*.\n\nThe function "), "{greet}");
        let who = &greet["input"]["properties"]["who"];
        assert_eq!(who["description"], "A person.");
        assert_eq!(who["properties"]["full_name"]["description"], "What they are called.");
        assert_eq!(who["required"], serde_json::json!(["full_name"]));
    };
    check(&from_wit);

    let mut resolve = Resolve::default();
    let package = resolve.push_source("t.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wit_component::dummy_module(&resolve, world, wit_parser::ManglingAndAbi::Standard32);
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let component = ComponentEncoder::default().module(&module).unwrap().encode().unwrap();
    let encoded = wit_component::encode(&resolve, package).unwrap();
    let injected = wit_parser::PackageMetadata::extract(&resolve, package).encode().unwrap();
    for (section, data) in [("muster:wit", encoded), ("package-docs", injected)] {
        let mut component = component.clone();
        let section = wasm_encoder::CustomSection { name: section.into(), data: data.into() };
        wasm_encoder::ComponentSection::append_to_component(&section, &mut component);
        check(&Functions::read(&component, &Docs::default()).unwrap());
    }
    let mut odd = component.clone();
    for name in ["muster:wit", "package-docs"] {
        let section = wasm_encoder::CustomSection { name: name.into(), data: b"\x01{".into() };
        wasm_encoder::ComponentSection::append_to_component(&section, &mut odd);
    }
    assert_eq!(names(&Functions::read(&odd, &Docs::default()).unwrap()), ["greet/0", "wave/0"]);
}
