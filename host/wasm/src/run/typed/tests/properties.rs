//! For random types: what goes in comes out, and the schema says who may go in.

use fastrand::Rng;
use muster_core::schema::Schema;
use proptest::prelude::*;

use super::super::value::{At, from_json, to_json};
use super::{random, shape_of};
use muster_component::functions::schema;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_value_comes_back_as_itself(seed in any::<u64>()) {
        let mut rng = Rng::with_seed(seed);
        let shape = random::shape(&mut rng, 3);
        let value = random::value(&shape, &mut rng, false);
        let val = from_json(&shape, &value, &At::Root).map_err(|error| TestCaseError::fail(format!("{error} {shape:?} {value}")))?;
        let back = to_json(&shape, val.clone(), &At::Root).unwrap();
        // The JSON may be written in another way (1 and "1"), the value is the same.
        prop_assert_eq!(&from_json(&shape, &back, &At::Root).unwrap(), &val, "{} {}", value, back);
        prop_assert_eq!(&to_json(&shape, val, &At::Root).unwrap(), &back);
    }

    #[test]
    fn the_schema_accepts_what_the_conversion_accepts(seed in any::<u64>()) {
        let mut rng = Rng::with_seed(seed);
        let shape = random::shape(&mut rng, 3);
        let schema = Schema::output(schema::of(&shape)).unwrap();
        for _ in 0..20 {
            let value = random::value(&shape, &mut rng, true);
            let converted = from_json(&shape, &value, &At::Root);
            prop_assert_eq!(
                schema.check(&value).is_ok(), converted.is_ok(), "{:?} {} {} {:?}", shape, schema.json(), value, converted
            );
        }
    }

    #[test]
    fn a_shape_is_read_from_wit(seed in any::<u64>()) {
        let shape = random::shape(&mut Rng::with_seed(seed), 3);
        let mut declarations = String::new();
        let of = random::wit(&shape, &mut declarations);
        prop_assert_eq!(shape_of(&declarations, &of).map_err(TestCaseError::fail)?, shape);
    }

    #[test]
    fn values_nest_no_deeper_than_their_shape_says(seed in any::<u64>()) {
        fn depth(value: &serde_json::Value) -> usize {
            let items = value.as_array().map(|items| 1 + items.iter().map(depth).max().unwrap_or(0));
            let members = value.as_object().map(|members| 1 + members.values().map(depth).max().unwrap_or(0));
            items.or(members).unwrap_or(0)
        }
        let mut rng = Rng::with_seed(seed);
        let shape = random::shape(&mut rng, 4);
        prop_assert!(depth(&random::value(&shape, &mut rng, false)) <= shape.json_depth());
    }
}
