//! What a command of a typed export is called: the function's name where it is the only one of that name, else the
//! interface's and the function's. Reasons: `host/decisions/0010-adapter.md`.

use std::collections::HashMap;

use wit_parser::PackageName;

/// Where a function is exported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The interface as the component exports it, such as `acme:tools/greeter@1.2.0`; none for a function of the world.
    pub interface: Option<String>,
    /// The package, when the interface has one.
    pub package: Option<PackageName>,
    /// The function, as the component exports it.
    pub function: String,
}

/// What the command is called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Called {
    /// Its name; not yet checked.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// A name of WIT as JSON and commands have it.
pub fn snake_case(name: &str) -> String {
    name.trim_start_matches('%').replace('-', "_").to_lowercase()
}

impl Place {
    /// The interface without its version; empty for a function of the world.
    fn unversioned(&self) -> &str {
        let interface = self.interface.as_deref().unwrap_or_default();
        interface.split_once('@').map_or(interface, |(name, _)| name)
    }

    /// The interface's own name, without its package.
    fn short(&self) -> &str {
        let interface = self.unversioned();
        interface.rsplit_once('/').map_or(interface, |(_, name)| name)
    }

    /// The number that tells incompatible versions apart (Semantic Versioning): the major one, before 1.0 the minor.
    fn number(&self) -> u32 {
        let version = self.package.as_ref().and_then(|package| package.version.as_ref());
        let number = version.map_or(0, |version| if version.major == 0 { version.minor } else { version.major });
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// Names the functions, in their order. Two may get the same name and version: the first one then has it.
pub(super) fn call_all(places: &[Place]) -> Vec<Called> {
    let mut homes: HashMap<&str, Vec<&str>> = HashMap::new();
    let mut versions: HashMap<&str, Vec<Option<&str>>> = HashMap::new();
    for place in places {
        let own = homes.entry(&place.function).or_default();
        if !own.contains(&place.unversioned()) {
            own.push(place.unversioned());
        }
        let own = versions.entry(place.unversioned()).or_default();
        if !own.contains(&place.interface.as_deref()) {
            own.push(place.interface.as_deref());
        }
    }
    let call = |place: &Place| {
        let is_alone = homes.get(place.function.as_str()).is_none_or(|homes| homes.len() < 2);
        let function = snake_case(&place.function);
        let name = match &place.interface {
            Some(_) if !is_alone => format!("{}_{function}", snake_case(place.short())),
            _ => function,
        };
        let has_siblings = versions.get(place.unversioned()).is_some_and(|versions| versions.len() > 1);
        Called { name, version: if has_siblings { place.number() } else { 0 } }
    };
    places.iter().map(call).collect()
}
