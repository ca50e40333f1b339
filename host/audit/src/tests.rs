//! Tampering of every kind, crashes at every place, rotation.

use std::os::unix::fs::PermissionsExt;

use std::time::{Duration, Instant};

use muster_core::audit::Subject;
use muster_core::storage::MemoryStorage;
use serde_json::json;

use super::*;

#[derive(Debug)]
struct StillClock;

impl Clock for StillClock {
    fn sleep_until(&self, moment: Instant) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(moment.into()))
    }

    fn since_epoch(&self) -> Duration {
        Duration::from_secs(1_700_000_000)
    }
}

/// A chain in a folder of its own, with a store that outlives it.
struct Place {
    folder: tempfile::TempDir,
    storage: Arc<MemoryStorage>,
    options: Options,
    runtime: tokio::runtime::Runtime,
}

impl Place {
    fn new(options: Options) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { folder: tempfile::tempdir().unwrap(), storage: Arc::default(), options, runtime }
    }

    fn open(&self) -> FileAudit {
        let storage: Arc<dyn Storage> = Arc::clone(&self.storage) as _;
        let open = FileAudit::open(self.folder.path(), self.options.clone(), storage, Arc::new(StillClock));
        self.runtime.block_on(open).unwrap()
    }

    fn write(&self, audit: &FileAudit, numbers: std::ops::Range<u32>) {
        for number in numbers {
            audit.record(event("happened", json!({ "number": number })));
        }
        self.runtime.block_on(audit.settle()).unwrap();
    }

    fn verified(&self, audit: &FileAudit) -> Verification {
        self.runtime.block_on(audit.verify()).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        files::list(self.folder.path()).unwrap().into_iter().map(|seq| files::path(self.folder.path(), seq)).collect()
    }

    fn search(&self, audit: &FileAudit, query: Query) -> Page {
        self.runtime.block_on(audit.search(query)).unwrap()
    }
}

fn event(name: &'static str, detail: serde_json::Value) -> Record {
    Record { time: Duration::from_secs(1_700_000_000), subject: Subject::Event { name, detail } }
}

fn small() -> Options {
    Options { file_bytes_max: 1000, files_max: 100, changes_files_max: 100, arguments: true }
}

#[test]
fn a_chain_verifies_across_files_and_restarts() {
    let place = Place::new(small());
    for round in 0..3 {
        let audit = place.open();
        place.write(&audit, round * 10..round * 10 + 10);
        let verified = place.verified(&audit);
        assert_eq!((verified.records, verified.problem), (u64::from(round + 1) * 10, None));
    }
    assert!(place.files().len() > 3);
    let offline = verify(place.folder.path(), None).unwrap();
    assert_eq!((offline.first_seq, offline.last_seq, offline.problem), (Some(1), Some(30), None));
    for file in place.files() {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// What is done to the files → the record named, and a word of the reason.
type Tampering = (&'static str, fn(&[PathBuf]), u64, &'static str);

fn edit(file: &Path, change: impl FnOnce(&mut Vec<String>)) {
    let mut lines: Vec<String> = std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    let text: String = lines.into_iter().map(|line| line + "\n").collect();
    std::fs::write(file, text).unwrap();
}

const TAMPERINGS: &[Tampering] = &[
    (
        "a byte changed",
        |files| edit(&files[0], |lines| lines[1] = lines[1].replace("\"number\":1", "\"number\":7")),
        3,
        "changed",
    ),
    (
        "a byte of the first record changed",
        |files| edit(&files[0], |lines| lines[0] = lines[0].replace("\"number\":0", "\"number\":7")),
        2,
        "changed",
    ),
    (
        "the last record changed",
        |files| {
            edit(files.last().unwrap(), |lines| {
                let last = lines.last_mut().unwrap();
                *last = last.replace("happened", "hAppened");
            });
        },
        28,
        "remembered",
    ),
    ("a record removed", |files| edit(&files[0], |lines| drop(lines.remove(1))), 2, "record 3 stands"),
    ("the first record removed", |files| edit(&files[0], |lines| drop(lines.remove(0))), 1, "named after"),
    ("two records swapped", |files| edit(&files[0], |lines| lines.swap(0, 1)), 1, "named after"),
    ("two later records swapped", |files| edit(&files[1], |lines| lines.swap(1, 2)), 8, "stands in its place"),
    ("a record put in twice", |files| edit(&files[0], |lines| lines.insert(1, lines[0].clone())), 2, "record 1 stands"),
    ("an empty line put in", |files| edit(&files[0], |lines| lines.insert(1, String::new())), 2, "no line"),
    (
        "the last record cut off",
        |files| edit(files.last().unwrap(), |lines| drop(lines.pop())),
        28,
        "missing at the end",
    ),
    (
        "the last record's end cut off",
        |files| {
            let text = std::fs::read(files.last().unwrap()).unwrap();
            std::fs::write(files.last().unwrap(), &text[..text.len() - 5]).unwrap();
        },
        28,
        "cut",
    ),
    ("the newest file removed", |files| std::fs::remove_file(files.last().unwrap()).unwrap(), 25, "missing at the end"),
    ("the oldest file removed", |files| std::fs::remove_file(&files[0]).unwrap(), 1, "missing before"),
    ("a file in the middle removed", |files| std::fs::remove_file(&files[2]).unwrap(), 13, "stands in its place"),
    (
        "two files swapped",
        |files| {
            let (one, other) = (std::fs::read(&files[1]).unwrap(), std::fs::read(&files[2]).unwrap());
            std::fs::write(&files[1], other).unwrap();
            std::fs::write(&files[2], one).unwrap();
        },
        7,
        "named after",
    ),
    (
        "a chain begun anew",
        |files| {
            let (mut head, mut bytes) = (Head::default(), Vec::new());
            for file in files {
                std::fs::remove_file(file).unwrap();
            }
            (0..28).for_each(|_| head.append("{\"kind\":\"event\"}", &mut bytes));
            std::fs::write(&files[0], bytes).unwrap();
        },
        28,
        "remembered",
    ),
];

#[test]
fn every_tampering_is_named() {
    for (what, tamper, seq, reason) in TAMPERINGS {
        let place = Place::new(small());
        let audit = place.open();
        place.write(&audit, 0..28);
        assert_eq!(place.verified(&audit).problem, None, "{what}");
        tamper(&place.files());
        let problem = place.verified(&audit).problem.unwrap_or_else(|| panic!("{what}: nothing found"));
        assert!(problem.seq == *seq && problem.reason.contains(reason), "{what}: {problem:?}");
        // A restart neither hides it nor stops the host.
        drop(audit);
        let audit = place.open();
        place.write(&audit, 28..30);
        let problem = place.verified(&audit).problem;
        assert!(problem.is_some(), "{what}: hidden by a restart");
    }
}

#[test]
fn a_torn_line_is_taken_away_and_said_so() {
    let place = Place::new(small());
    let audit = place.open();
    place.write(&audit, 0..5);
    drop(audit);
    let last = place.files().pop().unwrap();
    let whole = std::fs::read(&last).unwrap();
    std::fs::write(&last, [whole.as_slice(), b"{\"seq\":6,\"prev\":\"00"].concat()).unwrap();
    let audit = place.open();
    place.write(&audit, 5..6);
    assert_eq!(place.verified(&audit).problem, None);
    let page = place.search(&audit, Query { after_seq: Some(5), limit: 10, ..Query::default() });
    let names: Vec<_> = page.records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["torn-line-removed", "happened"]);
    assert_eq!(page.records[0]["detail"]["bytes"], 19);
}

#[test]
fn an_empty_last_file_is_no_gap() {
    let place = Place::new(small());
    let audit = place.open();
    place.write(&audit, 0..5);
    drop(audit);
    std::fs::write(files::path(place.folder.path(), 6), "").unwrap();
    let audit = place.open();
    place.write(&audit, 5..6);
    assert_eq!(place.verified(&audit).problem, None);
}

#[test]
fn a_cut_tail_stays_a_gap_for_good() {
    let place = Place::new(Options::default());
    let audit = place.open();
    place.write(&audit, 0..10);
    drop(audit);
    edit(&place.files()[0], |lines| lines.truncate(7));
    let audit = place.open();
    place.write(&audit, 0..1);
    let problem = place.verified(&audit).problem.unwrap();
    assert_eq!((problem.seq, problem.reason.as_str()), (8, "record 11 stands in its place"));
    let page = place.search(&audit, Query { after_seq: Some(7), limit: 1, ..Query::default() });
    assert_eq!(
        (&page.records[0]["event"], &page.records[0]["detail"]),
        (&json!("records-missing"), &json!({"from": 8, "to": 10}))
    );
}

#[test]
fn old_files_go_and_the_rest_verifies() {
    let place = Place::new(Options { files_max: 3, ..small() });
    let audit = place.open();
    for round in 0..20 {
        place.write(&audit, round * 5..round * 5 + 5);
        assert!(place.files().len() <= 3);
        assert_eq!(place.verified(&audit).problem, None);
    }
    drop(audit);
    let audit = place.open();
    let verified = place.verified(&audit);
    assert!(verified.first_seq.unwrap() > 80 && verified.problem.is_none(), "{verified:?}");
    // The file that is now the oldest goes by other hands.
    std::fs::remove_file(&place.files()[0]).unwrap();
    assert!(place.verified(&audit).problem.unwrap().reason.contains("missing before"));
}

#[test]
fn searches_find_what_fits_and_go_on_where_they_ended() {
    let place = Place::new(small());
    let audit = place.open();
    place.write(&audit, 0..30);
    let seqs = |page: &Page| page.records.iter().map(|record| record["seq"].as_u64().unwrap()).collect::<Vec<_>>();
    let newest = place.search(&audit, Query { limit: 3, ..Query::default() });
    assert_eq!((seqs(&newest), newest.next), (vec![30, 29, 28], Some(28)));
    let before = place.search(&audit, Query { limit: 3, before_seq: newest.next, ..Query::default() });
    assert_eq!(seqs(&before), [27, 26, 25]);
    let after = place.search(&audit, Query { limit: 100, after_seq: Some(27), ..Query::default() });
    assert_eq!((seqs(&after), after.next), (vec![28, 29, 30], None));
    let nobody = place.search(&audit, Query { limit: 100, caller: Some("nobody".to_owned()), ..Query::default() });
    assert_eq!((nobody.records.len(), nobody.next), (0, None));
    let time = |text: &str| Some(text.to_owned());
    let late = place.search(&audit, Query { limit: 9, since: time("2030-01-01T00:00:00Z"), ..Query::default() });
    assert_eq!(late.records.len(), 0);
    let early = place.search(&audit, Query { limit: 9, until: time("2030-01-01T00:00:00+02:00"), ..Query::default() });
    assert_eq!(early.records.len(), 9);
    let wrong = Query { limit: 9, until: time("yesterday"), ..Query::default() };
    assert!(matches!(place.runtime.block_on(audit.search(wrong)), Err(CallError::InvalidArguments(_))));
}

#[test]
fn a_durable_record_is_in_the_file_when_it_is_answered() {
    let place = Place::new(small());
    let audit = place.open();
    place.runtime.block_on(audit.record_durably(event("now", json!({})))).unwrap();
    assert!(std::fs::read_to_string(&place.files()[0]).unwrap().contains("\"event\":\"now\""));
    assert!(audit.is_ready());
}

#[test]
fn many_threads_lose_nothing() {
    let place = Place::new(Options { file_bytes_max: 100_000, ..small() });
    let audit = place.open();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5000).for_each(|number| audit.record(event("happened", json!({ "number": number })))));
        }
    });
    let verified = place.verified(&audit);
    assert_eq!((verified.records, verified.problem), (20_000, None));
}

#[test]
fn heads_are_read_as_they_are_written() {
    let mut head = Head::default();
    head.append("{\"a\":1}", &mut Vec::new());
    assert_eq!(Head::parse(&head.to_string()), Some(head));
    for bad in ["", "1", "1:", "x:00", &head.to_string().to_uppercase(), &format!("{head}0")] {
        assert_eq!(Head::parse(bad), None, "{bad}");
    }
}

/// A call no rule let through.
fn refusal(address: &str, claimed: &str) -> Record {
    let source = muster_core::authn::Source {
        via: muster_core::name::FrontendName("rest"),
        tag: None,
        address: Some(address.parse().unwrap()),
        request_id: muster_core::caller::RequestId::from_random(1),
        trace: None,
    };
    let call = muster_core::audit::CallRecord {
        source,
        caller: None,
        rejected: None,
        claimed: muster_core::name::AccountId::parse(claimed).ok(),
        name: "status".to_owned(),
        registered: None,
        allowed: false,
        group: None,
        arguments: None,
        outcome: "unauthenticated",
        duration_us: 1,
    };
    Record { time: Duration::from_secs(1_700_000_000), subject: Subject::Call(Box::new(call)) }
}

impl Place {
    fn open_kept(&self) -> KeptAudit {
        let storage: Arc<dyn Storage> = Arc::clone(&self.storage) as _;
        let open = KeptAudit::open(self.folder.path(), self.options.clone(), storage, Arc::new(StillClock));
        self.runtime.block_on(open).unwrap()
    }
}

/// Twelve thousand refusals leave a record of a few lines, and who installed what is found after any number of calls.
#[test]
fn no_flood_pushes_out_who_changed_what() {
    let place = Place::new(Options { file_bytes_max: 5000, files_max: 3, changes_files_max: 3, arguments: true });
    let audit = place.open_kept();
    let search = |query: Query| place.runtime.block_on(audit.search(query)).unwrap().records;
    let mut installed = event("installed", json!({ "plugin": "a" }));
    installed.time = Duration::from_secs(1_600_000_000);
    place.runtime.block_on(audit.record_durably(installed)).unwrap();
    for number in 0..12_000 {
        audit.record(refusal("192.0.2.7", &format!("a{}@localhost", number % 3)));
        audit.record(refusal(&format!("2001:db8::{number:x}"), ""));
    }
    assert_eq!(search(Query { limit: 1000, ..Query::default() }).len(), 41);
    // Refusals of many networks each have a record, and push out one another and no change.
    for number in 0..2_000_u32 {
        audit.record(refusal(&format!("10.{}.{}.1", number / 250, number % 250), ""));
    }
    let found = search(Query { limit: 1000, ..Query::default() });
    let events = |name: &str| found.iter().filter(|record| record["event"] == name).collect::<Vec<_>>();
    let dropped = events("records-dropped");
    assert!(!dropped.is_empty() && dropped[0]["detail"]["files"] == 1, "{dropped:?}");
    let installed = events("installed");
    assert_eq!((installed.len(), &installed[0]["kept"]), (1, &json!("changes")));
    assert_eq!(found.last().unwrap()["event"], "installed", "it is the oldest");
    let forward = search(Query { after_seq: Some(0), limit: 5, ..Query::default() });
    assert_eq!(forward[0]["event"], "installed");
    audit.close();
    drop(audit);
    let audit = place.open_kept();
    let newest = place.runtime.block_on(audit.search(Query { limit: 2, ..Query::default() })).unwrap().records;
    let sum = newest.iter().find(|record| record["detail"]["network"] == "192.0.2.7").unwrap();
    assert_eq!(sum["event"], "refusals-summed-up");
    assert_eq!(sum["detail"]["number"], 11_980);
    assert_eq!(sum["detail"]["outcomes"], json!({ "unauthenticated": 11_980 }));
    assert_eq!(sum["detail"]["accounts"], json!(["a0@localhost", "a1@localhost", "a2@localhost"]));
    assert_eq!(sum["detail"]["first"], "2023-11-14T22:13:20Z");
    let sum = newest.iter().find(|record| record["detail"]["network"] == "2001:db8::").unwrap();
    assert_eq!(sum["detail"]["number"], 11_980);
    assert_eq!(place.runtime.block_on(audit.verify()).unwrap().problem, None);
    // The chain of changes is verified as well.
    drop(audit);
    let file = std::fs::read_dir(place.folder.path().join(CHANGES)).unwrap().next().unwrap().unwrap().path();
    edit(&file, |lines| lines[0] = lines[0].replace("installed", "removed_x"));
    assert!(verify(place.folder.path(), None).unwrap().problem.is_none(), "its only line has none behind it");
    let audit = place.open_kept();
    let problem = place.runtime.block_on(audit.verify()).unwrap().problem.unwrap();
    assert!(problem.file.starts_with("changes/"), "{problem:?}");
}
