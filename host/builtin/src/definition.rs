//! How a built-in command is written down: texts by a builder, schemas from its argument and result types.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use muster_core::BoxFuture;
use muster_core::caller::Caller;
use muster_core::command::{Audience, Command, Effects, Example, Origin};
use muster_core::error::CallError;
use muster_core::invoke::{Invocation, Invoke, Output};
use muster_core::name::{CommandName, Tag};
use muster_core::registry::Registered;
use muster_core::schema::Schema;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::Services;
use crate::paging::Paging;

/// One call of a built-in command.
pub(crate) struct Call<A> {
    pub(crate) services: Arc<Services>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) arguments: A,
}

/// A command without arguments. Braces, since arguments are always an object.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoArguments {}

/// A built-in command being defined.
pub(crate) struct Definition {
    name: &'static str,
    version: u32,
    summary: &'static str,
    description: &'static str,
    tags: &'static [&'static str],
    audience: Audience,
    effects: Effects,
    examples: Vec<Example>,
    input_bytes_max: Option<usize>,
    deadline_least: Option<Duration>,
    paging: Option<Paging>,
}

impl Definition {
    pub(crate) fn new(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            version: 0,
            summary,
            description: "",
            tags: &[],
            audience: Audience::Restricted,
            effects: Effects::default(),
            examples: Vec::new(),
            input_bytes_max: None,
            deadline_least: None,
            paging: None,
        }
    }

    /// The API version in which this form starts, where an earlier one has another.
    pub(crate) fn version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    pub(crate) fn description(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    pub(crate) fn tags(self, tags: &'static [&'static str]) -> Self {
        Self { tags, ..self }
    }

    pub(crate) fn audience(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }

    /// Changes nothing, so also answers `GET`.
    pub(crate) fn read_only(mut self) -> Self {
        self.effects.read_only = true;
        self.effects.idempotent = true;
        self
    }

    pub(crate) fn idempotent(mut self) -> Self {
        self.effects.idempotent = true;
        self
    }

    pub(crate) fn destructive(mut self) -> Self {
        self.effects.destructive = true;
        self
    }

    pub(crate) fn example(mut self, title: &str, input: Value, output: Value) -> Self {
        self.examples.push(Example { title: title.to_owned(), input, output });
        self
    }

    pub(crate) fn input_bytes_max(self, bytes: usize) -> Self {
        Self { input_bytes_max: Some(bytes), ..self }
    }

    pub(crate) fn deadline_least(self, time: Duration) -> Self {
        Self { deadline_least: Some(time), ..self }
    }

    /// Gives a list that can be long, in parts to those who ask for that.
    pub(crate) fn paged(self, paging: Paging) -> Self {
        Self { paging: Some(paging), ..self }
    }

    /// Finishes the definition with what it does.
    pub(crate) fn run<A, R, F, Fut>(self, services: &Arc<Services>, run: F) -> Result<Registered, String>
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema,
        F: Fn(Call<A>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, CallError>> + Send + 'static,
    {
        let mut input = schema_of::<A>();
        if let Some(paging) = self.paging {
            paging.describe(&mut input);
        }
        let named = |error: String| format!("built-in command `{}`: {error}", self.name);
        let command = Command {
            name: CommandName::parse(self.name).map_err(|error| named(error.to_string()))?,
            version: self.version,
            summary: self.summary.to_owned(),
            description: self.description.to_owned(),
            tags: self
                .tags
                .iter()
                .map(|tag| Tag::parse(tag))
                .collect::<Result<_, _>>()
                .map_err(|error| named(error.to_string()))?,
            rule_tags: Vec::new(),
            audience: self.audience,
            effects: self.effects,
            input: Schema::input(input).map_err(named)?,
            output: Schema::output(schema_of::<R>()).map_err(named)?,
            examples: self.examples,
            deprecated: None,
            input_bytes_max: self.input_bytes_max,
            deadline_least: self.deadline_least,
            origin: Origin::Builtin,
        };
        command.check().map_err(named)?;
        let invoke = Native { services: Arc::clone(services), run, paging: self.paging, types: PhantomData };
        Ok(Registered { command, invoke: Arc::new(invoke) })
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        // The type's name says nothing to a caller.
        object.remove("title");
        object.remove("$schema");
    }
    schema
}

struct Native<A, F> {
    services: Arc<Services>,
    run: F,
    paging: Option<Paging>,
    types: PhantomData<fn(A)>,
}

impl<A, F> std::fmt::Debug for Native<A, F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Native")
    }
}

impl<A, R, F, Fut> Invoke for Native<A, F>
where
    A: DeserializeOwned + Send + 'static,
    R: Serialize,
    F: Fn(Call<A>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<R, CallError>> + Send + 'static,
{
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Output, CallError>> {
        let caller = Arc::clone(invocation.permit.caller());
        let mut value = invocation.arguments.into_value();
        let part = self.paging.map(|paging| (paging, paging.take(&mut value)));
        // What the parts that follow are asked for with.
        let own = part.is_some().then(|| value.clone());
        let arguments = serde_json::from_value::<A>(value);
        let services = Arc::clone(&self.services);
        Box::pin(async move {
            // The schema was made from the type, so what is left is what JSON Schema does not tell apart: 1 and 1.0.
            let arguments = arguments.map_err(|error| CallError::argument("", error.to_string()))?;
            let result = (self.run)(Call { services, caller, arguments }).await?;
            let mut value = serde_json::to_value(result).map_err(CallError::internal_from)?;
            let next = part.zip(own).and_then(|((paging, part), own)| paging.cut(&part, &own, &mut value));
            Ok(match next {
                Some(next) => Output::Page(value, next),
                None => Output::Value(value),
            })
        })
    }
}
