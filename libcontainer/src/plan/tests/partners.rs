//! Which further processes can be made in their parent's memory.

use super::host::{exec_of, facts, patched, plan_of};

const PLAIN: &str = r#"{"cwd":"/","args":["sh"],"terminal":false}"#;

#[test]
fn who_needs_a_partner_or_memory_of_its_own() {
    let namespaces = |kind: &str| format!(r#"{{"linux":{{"namespaces":[{{"type":"{kind}"}}]}}}}"#);
    let terminal = PLAIN.replace("false", "true");
    let mapped = r#"{"linux":{"namespaces":[{"type":"user"}],
        "uidMappings":[{"containerID":0,"hostID":1000,"size":1}],
        "gidMappings":[{"containerID":0,"hostID":1000,"size":1}]}}"#;
    for (patch, process, needs) in [
        ("{}", PLAIN, false),
        (&*namespaces("pid"), PLAIN, false),
        (&namespaces("time"), PLAIN, true),
        (mapped, PLAIN, true),
        ("{}", &terminal, true),
    ] {
        let plan = exec_of(&patched(patch), process, &facts()).unwrap();
        assert_eq!(plan.needs_partner(), needs, "{patch} {process}");
    }
    let new = plan_of(&patched("{}"), &facts()).unwrap();
    assert!(new.needs_partner());
}
