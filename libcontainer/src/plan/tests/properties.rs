//! Whatever a configuration says, planning answers.

use proptest::prelude::*;

use super::super::{lists, mount_options};
use super::host::*;

/// A JSON value at a place of the default configuration is replaced by another.
fn odd_value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        ".{0,20}".prop_map(Into::into),
        "(/|\\.|\\.\\.|\u{0}|[a-z0-9,=-]){0,12}".prop_map(Into::into),
        proptest::collection::vec("[a-z/=]{0,8}", 0..4).prop_map(Into::into),
    ]
}

fn places(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    found.push(path.to_owned());
    match value {
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                places(member, &format!("{path}/{name}"), found);
            }
        }
        serde_json::Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                places(element, &format!("{path}/{index}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_change_of_the_default_is_answered(
        place in any::<prop::sample::Index>(),
        odd in odd_value(),
        unprivileged in any::<bool>(),
    ) {
        let mut config: serde_json::Value = serde_json::from_str(DEFAULT).expect("JSON");
        let mut all = Vec::new();
        places(&config, "", &mut all);
        if let Some(value) = config.pointer_mut(place.get(all.as_slice()).as_str()) {
            *value = odd;
        }
        let facts = if unprivileged { rootless() } else { facts() };
        match plan_of(&config.to_string(), &facts) {
            Ok(plan) => {
                let text = text(&plan);
                prop_assert!(!text.contains('\0'));
            }
            Err(error) => {
                let error = error.to_string();
                prop_assert!(error.contains(": ") && !error.contains(['\n', '\0']), "{}", error);
            }
        }
    }

    #[test]
    fn any_options_are_parsed(options in proptest::collection::vec("[a-z=0-9]{0,12}|r?(no)?(atime|suid|shared|bind|ro|sync)", 0..12)) {
        let parsed = mount_options::parse(&options);
        let attributes = parsed.attributes;
        let atime = super::super::kernel::attr::ATIME;
        prop_assert_eq!(attributes.set & attributes.clear & !atime, 0);
        prop_assert!(attributes.clear & atime == 0 || attributes.clear & atime == atime);
        prop_assert!(attributes.set & atime == 0 || attributes.clear & atime == atime);
    }

    #[test]
    fn lists_are_what_they_say(numbers in proptest::collection::btree_set(0u32..300, 1..40)) {
        let list: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        let bits = lists::bits("x", &list.join(","), 300).expect("a list");
        for number in 0..300u32 {
            let set = bits.get(number as usize / 8).is_some_and(|byte| byte & (1 << (number % 8)) != 0);
            prop_assert_eq!(set, numbers.contains(&number));
        }
    }

    #[test]
    fn any_list_is_answered(list in "[0-9,-]{0,12}|.{0,8}") {
        let _ = lists::bits("x", &list, 4096);
    }
}
