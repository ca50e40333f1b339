//! Ownership, versions, and that a refused batch leaves no trace.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::BoxFuture;
use crate::command::{Audience, Effects};
use crate::error::CallError;
use crate::invoke::{Invocation, Output};
use crate::name::PluginName;
use crate::schema::Schema;

#[derive(Debug)]
struct Nothing;

impl Invoke for Nothing {
    fn invoke(&self, _: Invocation) -> BoxFuture<'_, Result<Output, CallError>> {
        Box::pin(async { Ok(Output::Value(json!(null))) })
    }
}

fn origin(plugin: &str) -> Origin {
    Origin::Plugin { name: PluginName::parse(plugin).unwrap(), version: "1.0.0".to_owned() }
}

fn batch(owner: &Origin, commands: &[(&str, u32)]) -> Vec<Registered> {
    let make = |(name, version): &(&str, u32)| Registered {
        command: Command {
            name: CommandName::parse(name).unwrap(),
            version: *version,
            summary: "x".to_owned(),
            description: String::new(),
            tags: vec![],
            rule_tags: Vec::new(),
            audience: Audience::Open,
            effects: Effects::default(),
            input: Schema::input(json!({"type": "object"})).unwrap(),
            output: Schema::output(json!({})).unwrap(),
            examples: vec![],
            deprecated: None,
            input_bytes_max: None,
            deadline_least: None,
            origin: owner.clone(),
        },
        invoke: Arc::new(Nothing),
    };
    commands.iter().map(make).collect()
}

fn listing(registry: &Registry) -> Vec<String> {
    let entry = |one: &Arc<Registered>| format!("{} v{} {}", one.command.name, one.command.version, one.command.origin);
    registry.snapshot().iter().map(entry).collect()
}

#[test]
fn the_highest_version_at_or_below_the_wanted_one_answers() {
    let (registry, owner) = (Registry::default(), origin("p"));
    registry.replace(&owner, batch(&owner, &[("c", 1), ("c", 4)])).unwrap();
    for (wanted, expected) in [
        (None, Some(4)),
        (Some(0), None),
        (Some(1), Some(1)),
        (Some(3), Some(1)),
        (Some(4), Some(4)),
        (Some(99), Some(4)),
    ] {
        let got = registry.snapshot().get("c", wanted).map(|found| found.command.version);
        assert_eq!(got, expected, "{wanted:?}");
    }
}

#[test]
fn a_clash_names_both_owners_and_changes_nothing() {
    let (registry, first, second) = (Registry::default(), origin("first"), origin("second"));
    registry.replace(&first, batch(&first, &[("c", 0)])).unwrap();
    let error = registry.replace(&second, batch(&second, &[("d", 0), ("c", 9)])).unwrap_err().to_string();
    assert!(error.contains("plugin first 1.0.0") && error.contains("plugin second 1.0.0"), "{error}");
    assert_eq!(listing(&registry), ["c v0 plugin first 1.0.0"]);
    let twice = registry.replace(&first, batch(&first, &[("c", 0), ("c", 0)])).unwrap_err();
    assert!(matches!(twice, RegisterError::Twice { .. }));
}

proptest! {
    #[test]
    fn a_name_has_one_owner_and_removal_leaves_no_trace(
        steps in prop::collection::vec((0_usize..3, prop::collection::btree_set((0_usize..5, 0_u32..3), 0..6)), 1..12),
    ) {
        let registry = Registry::default();
        let owners = [origin("a"), origin("b"), origin("c")];
        let names = ["v", "w", "x", "y", "z"];
        for (owner, commands) in steps {
            let owner = &owners[owner];
            let commands: Vec<_> = commands.into_iter().map(|(name, version)| (names[name], version)).collect();
            let before = listing(&registry);
            if registry.replace(owner, batch(owner, &commands)).is_err() {
                prop_assert_eq!(&listing(&registry), &before);
            }
            let snapshot = registry.snapshot();
            for name in names {
                let origins: Vec<_> =
                    snapshot.iter().filter(|one| one.command.name.as_str() == name).map(|one| one.command.origin.clone()).collect();
                prop_assert!(origins.windows(2).all(|pair| pair[0].same_owner(&pair[1])));
            }
        }
        for owner in &owners {
            registry.replace(owner, vec![]).unwrap();
        }
        prop_assert!(listing(&registry).is_empty());
    }
}
