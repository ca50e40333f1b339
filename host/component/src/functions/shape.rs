//! The type of a value, as far as JSON is concerned: read from WIT once, then schema and conversion go by it.
//!
//! A shape is a tree, while WIT types may share parts; so its size is bounded, or a few lines of WIT could describe more
//! than fits in memory. Resources, streams and futures have no shape.

use wit_parser::{Resolve, Type, TypeDef, TypeDefKind, TypeOwner};

use super::docs::Docs;
use super::names::snake_case;

/// Deepest nesting of types in one parameter or result.
pub const DEPTH_MAX: usize = 16;
/// Most types in the parameters and the result of one function, each counted as often as it stands there.
pub const TYPES_MAX: usize = 2_000;

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// `bool`.
    Bool,
    /// `s8` to `u64`.
    Integer(Integer),
    /// `f32`.
    Float32,
    /// `f64`.
    Float64,
    /// `char`.
    Char,
    /// `string`.
    Text,
    /// `list<u8>`.
    Bytes,
    /// `list<T>`.
    List(Box<Self>),
    /// `list<T, N>`.
    FixedList(Box<Self>, u32),
    /// `map<K, V>`.
    Map(Box<Self>, Box<Self>),
    /// `tuple<…>`.
    Tuple(Vec<Self>),
    /// A record's fields.
    Record(Vec<Field>),
    /// `option<T>`.
    Option(Box<Self>),
    /// `result<T, E>` anywhere but as what a function returns.
    Result(Option<Box<Self>>, Option<Box<Self>>),
    /// A variant's cases.
    Variant(Vec<Case>),
    /// An enum's cases.
    Enum(Vec<Name>),
    /// The names of flags.
    Flags(Vec<Name>),
}

/// The integer types.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Integer {
    /// `s8`.
    S8,
    /// `u8`.
    U8,
    /// `s16`.
    S16,
    /// `u16`.
    U16,
    /// `s32`.
    S32,
    /// `u32`.
    U32,
    /// `s64`.
    S64,
    /// `u64`.
    U64,
}

impl Integer {
    /// Its smallest and its largest value.
    pub fn bounds(self) -> (i128, i128) {
        match self {
            Self::S8 => (i8::MIN.into(), i8::MAX.into()),
            Self::U8 => (0, u8::MAX.into()),
            Self::S16 => (i16::MIN.into(), i16::MAX.into()),
            Self::U16 => (0, u16::MAX.into()),
            Self::S32 => (i32::MIN.into(), i32::MAX.into()),
            Self::U32 => (0, u32::MAX.into()),
            Self::S64 => (i64::MIN.into(), i64::MAX.into()),
            Self::U64 => (0, u64::MAX.into()),
        }
    }

    /// Whether its values may not fit into the numbers of every JSON reader.
    pub fn is_long(self) -> bool {
        matches!(self, Self::S64 | Self::U64)
    }
}

/// A name: as the component has it, and as JSON has it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name {
    /// kebab-case.
    pub wit: String,
    /// `snake_case`.
    pub json: String,
}

impl Name {
    /// The name as WIT has it, and as JSON does.
    pub fn new(wit: &str) -> Self {
        Self { wit: wit.to_owned(), json: snake_case(wit) }
    }
}

/// A field of a record, or a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// What it is called.
    pub name: Name,
    /// What the author says about it; may be empty.
    pub docs: String,
    /// Its type.
    pub shape: Shape,
}

/// A case of a variant.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it is called.
    pub name: Name,
    /// What the author says about it; may be empty.
    pub docs: String,
    /// What it carries.
    pub payload: Option<Shape>,
}

impl Shape {
    /// A list of this; of bytes, also under another name, it is one text.
    pub fn list_of(items: Self) -> Self {
        if items == Self::Integer(Integer::U8) { Self::Bytes } else { Self::List(Box::new(items)) }
    }

    /// Whether its values are strings of any characters: such keys can be the names of members.
    pub fn is_text(&self) -> bool {
        *self == Self::Text
    }

    /// Whether its values may be none.
    pub fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }

    /// How many JSON arrays and objects its values can nest.
    pub fn json_depth(&self) -> usize {
        let of = |shape: &Option<Box<Self>>| shape.as_ref().map_or(0, |shape| shape.json_depth());
        match self {
            Self::Bool
            | Self::Integer(_)
            | Self::Float32
            | Self::Float64
            | Self::Char
            | Self::Text
            | Self::Bytes
            | Self::Enum(_) => 0,
            Self::Flags(_) => 1,
            Self::List(items) | Self::FixedList(items, _) => 1 + items.json_depth(),
            Self::Map(key, value) if key.is_text() => 1 + value.json_depth(),
            Self::Map(key, value) => 2 + key.json_depth().max(value.json_depth()),
            Self::Tuple(items) => 1 + items.iter().map(Self::json_depth).max().unwrap_or(0),
            Self::Record(fields) => 1 + fields.iter().map(|field| field.shape.json_depth()).max().unwrap_or(0),
            Self::Option(inner) => usize::from(inner.is_option()) + inner.json_depth(),
            Self::Result(ok, error) => 1 + of(ok).max(of(error)),
            Self::Variant(cases) => cases
                .iter()
                .filter_map(|case| case.payload.as_ref().map(|payload| 1 + payload.json_depth()))
                .max()
                .unwrap_or(0),
        }
    }
}

/// Reads the shapes of one function.
#[derive(Debug)]
pub struct Reader<'a> {
    resolve: &'a Resolve,
    docs: &'a Docs,
    types_left: usize,
}

impl<'a> Reader<'a> {
    /// A reader of the types of this package.
    pub fn new(resolve: &'a Resolve, docs: &'a Docs) -> Self {
        Self { resolve, docs, types_left: TYPES_MAX }
    }

    /// The shape of a type.
    ///
    /// # Errors
    /// Why a function with this type cannot be a command.
    pub fn read(&mut self, of: &Type) -> Result<Shape, String> {
        self.shape(of, 0)
    }

    /// What the author says about a named type; may be empty.
    pub fn docs_of(&self, of: &Type) -> String {
        let Type::Id(id) = of else { return String::new() };
        let Some(definition) = self.resolve.types.get(*id) else { return String::new() };
        let own = self.docs_in(definition, None, definition.docs.contents.as_deref());
        match (&definition.kind, own.is_empty()) {
            (TypeDefKind::Type(target), true) => self.docs_of(target),
            _ => own,
        }
    }

    fn docs_in(&self, definition: &TypeDef, part: Option<&str>, inside: Option<&str>) -> String {
        let interface = match definition.owner {
            TypeOwner::Interface(id) => self.resolve.id_of(id),
            TypeOwner::World(_) | TypeOwner::None => None,
        };
        let item = match (&definition.name, part) {
            (Some(name), Some(part)) => format!("{name}.{part}"),
            (Some(name), None) => name.clone(),
            (None, _) => return String::new(),
        };
        let given = self.docs.get(interface.as_deref(), &item);
        given.or(inside).unwrap_or_default().trim().to_owned()
    }

    fn shape(&mut self, of: &Type, depth: usize) -> Result<Shape, String> {
        self.types_left = self
            .types_left
            .checked_sub(1)
            .ok_or_else(|| format!("its types have more than {TYPES_MAX} parts; use smaller types"))?;
        if depth > DEPTH_MAX {
            return Err(format!("its types nest deeper than {DEPTH_MAX} levels"));
        }
        let id = match of {
            Type::Bool => return Ok(Shape::Bool),
            Type::U8 => return Ok(Shape::Integer(Integer::U8)),
            Type::U16 => return Ok(Shape::Integer(Integer::U16)),
            Type::U32 => return Ok(Shape::Integer(Integer::U32)),
            Type::U64 => return Ok(Shape::Integer(Integer::U64)),
            Type::S8 => return Ok(Shape::Integer(Integer::S8)),
            Type::S16 => return Ok(Shape::Integer(Integer::S16)),
            Type::S32 => return Ok(Shape::Integer(Integer::S32)),
            Type::S64 => return Ok(Shape::Integer(Integer::S64)),
            Type::F32 => return Ok(Shape::Float32),
            Type::F64 => return Ok(Shape::Float64),
            Type::Char => return Ok(Shape::Char),
            Type::String => return Ok(Shape::Text),
            Type::ErrorContext => return Err("it uses an error context, which is not supported".to_owned()),
            Type::Id(id) => *id,
        };
        let resolve = self.resolve;
        let definition = resolve.types.get(id).ok_or("its types cannot be read")?;
        self.defined(definition, depth)
    }

    fn defined(&mut self, definition: &TypeDef, depth: usize) -> Result<Shape, String> {
        let deeper = depth + 1;
        let not_plain = |what: &str| Err(format!("it uses {what}, which is not supported"));
        Ok(match &definition.kind {
            TypeDefKind::Type(target) => self.shape(target, depth)?,
            TypeDefKind::List(items) => Shape::list_of(self.shape(items, deeper)?),
            TypeDefKind::FixedLengthList(items, length) => {
                Shape::FixedList(Box::new(self.shape(items, deeper)?), *length)
            }
            TypeDefKind::Map(key, value) => {
                Shape::Map(Box::new(self.shape(key, deeper)?), Box::new(self.shape(value, deeper)?))
            }
            TypeDefKind::Tuple(tuple) => {
                Shape::Tuple(tuple.types.iter().map(|part| self.shape(part, deeper)).collect::<Result<_, _>>()?)
            }
            TypeDefKind::Option(inner) => Shape::Option(Box::new(self.shape(inner, deeper)?)),
            TypeDefKind::Result(result) => {
                Shape::Result(self.boxed(result.ok.as_ref(), deeper)?, self.boxed(result.err.as_ref(), deeper)?)
            }
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter().map(|field| {
                    let shape = self.shape(&field.ty, deeper)?;
                    let own = self.docs_in(definition, Some(&field.name), field.docs.contents.as_deref());
                    let docs = if own.is_empty() { self.docs_of(&field.ty) } else { own };
                    Ok(Field { name: Name::new(&field.name), docs, shape })
                });
                Shape::Record(fields.collect::<Result<_, String>>()?)
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| {
                    let payload = case.ty.as_ref().map(|payload| self.shape(payload, deeper)).transpose()?;
                    let docs = self.docs_in(definition, Some(&case.name), case.docs.contents.as_deref());
                    Ok(Case { name: Name::new(&case.name), docs, payload })
                });
                Shape::Variant(cases.collect::<Result<_, String>>()?)
            }
            TypeDefKind::Enum(cases) => Shape::Enum(cases.cases.iter().map(|case| Name::new(&case.name)).collect()),
            TypeDefKind::Flags(flags) => Shape::Flags(flags.flags.iter().map(|flag| Name::new(&flag.name)).collect()),
            TypeDefKind::Resource | TypeDefKind::Handle(_) => return not_plain("a resource handle"),
            TypeDefKind::Future(_) => return not_plain("a future"),
            TypeDefKind::Stream(_) => return not_plain("a stream"),
            TypeDefKind::Unknown => return Err("its types cannot be read".to_owned()),
        })
    }

    fn boxed(&mut self, of: Option<&Type>, depth: usize) -> Result<Option<Box<Shape>>, String> {
        of.map(|part| self.shape(part, depth).map(Box::new)).transpose()
    }
}
