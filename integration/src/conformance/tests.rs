use super::check_suite;
use super::reasons::Reasons;
use super::report;
use super::results::{Raw, Table};

const RECORDED: &str =
    "# written\n# Linux 1\ntest\toxrun\trunc\tnote\na\tpass\tfail\t\nb\tfail\tpass\twhy\n";

fn raw(text: &str) -> Raw {
    Raw::parse(&text.replace(' ', "\t")).unwrap()
}

#[test]
fn a_lost_pass_is_found_and_not_recorded() {
    let raw = raw("s a oxrun fail x\ns b oxrun pass");
    let mut table = Table::parse(RECORDED).unwrap();
    let reasons = Reasons::default();
    assert_eq!(check_suite("s", &table, &raw, &reasons), 1);
    assert_eq!(table.merge("s", &raw, &reasons), ["a"]);
    assert!(table.passed("a", "oxrun"));
    assert!(table.passed("b", "oxrun"));
}

#[test]
fn a_lost_pass_is_excused_where_its_need_is_unmet() {
    let reasons = Reasons::parse("# S\n\n## a\nby: machine\nneeds: path /no/such\n").unwrap();
    let raw = raw("s a oxrun fail x");
    let mut table = Table::parse(RECORDED).unwrap();
    assert_eq!(check_suite("s", &table, &raw, &reasons), 0);
    assert_eq!(table.merge("s", &raw, &reasons), [""; 0]);
    assert!(table.passed("a", "oxrun"));
}

#[test]
fn what_chance_decides_is_not_held() {
    let reasons = Reasons::parse("# S\n\n## a\nby: suite\nchance: yes\n").unwrap();
    let raw = raw("s a oxrun fail x");
    let mut table = Table::parse(RECORDED).unwrap();
    assert_eq!(check_suite("s", &table, &raw, &reasons), 0);
    assert_eq!(table.merge("s", &raw, &reasons), [""; 0]);
}

#[test]
fn a_failure_without_a_reason_and_a_test_that_did_not_run_are_found() {
    let table = Table::parse(RECORDED).unwrap();
    let mut text = "s\tb\toxrun\tfail\twhy\n".to_owned();
    assert_eq!(
        check_suite(
            "s",
            &table,
            &Raw::parse(&text).unwrap(),
            &Reasons::default()
        ),
        1
    );
    text.push_str("#whole s\n");
    assert_eq!(
        check_suite(
            "s",
            &table,
            &Raw::parse(&text).unwrap(),
            &Reasons::default()
        ),
        2
    );
}

#[test]
fn tables_keep_what_did_not_run_and_round_trip() {
    let mut table = Table::parse(RECORDED).unwrap();
    let raw = raw("s c crun skip no-cgroup\ns b oxrun pass");
    table.merge("s", &raw, &Reasons::default());
    let again = Table::parse(&table.text()).unwrap();
    assert_eq!(again.text(), table.text());
    assert_eq!(again.runtimes, ["oxrun", "runc", "crun"]);
    assert_eq!(again.lines[0].results, ["pass", "fail", "-"]);
    assert_eq!(again.lines[2].results, ["-", "-", "skip"]);
}

#[test]
fn a_line_that_is_no_result_is_refused() {
    assert_eq!(
        Raw::parse("s\ta\toxrun\tperhaps\t").unwrap_err(),
        "s\ta\toxrun\tperhaps\t"
    );
    assert!(Reasons::parse("## a\nby: magic\n").is_err());
    assert!(Reasons::parse("## a\nby: suite\nneeds: luck\n").is_err());
}

#[test]
fn sections_explain_by_name_and_by_beginning() {
    let reasons = Reasons::parse("# S\n\n## a\n## b*\nby: suite\n\ntext\n").unwrap();
    assert!(reasons.of("bcd").is_some());
    assert!(reasons.of("ab").is_none());
    let table = Table::parse(RECORDED).unwrap();
    let suite = ("s".to_owned(), table, reasons);
    assert_eq!(report::unexplained(&suite), [""; 0]);
    assert!(report::markdown(&[suite]).contains("| b | **fail** | pass | suite, below |"));
}
