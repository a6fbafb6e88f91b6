//! Readers of counts.

use crate::{Seed, Target, gzip, write, zip};
use parquet::{
    basic::Compression,
    data_type::{BoolType, ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use retrial_counts::{Columns, Group, Missing, Options, Outcomes};
use retrial_spec::{Result, text};
use std::{collections::HashSet, fs, path::Path, sync::Arc};

/// Options that the length of the input chooses, so that the input is all that a failure takes to repeat. Those that
/// every valid input allows come most often.
fn options(length: u64) -> Options {
    let plain = Options::default();
    match length % 16 {
        0 => Options { attempts: Some(40), ..plain },
        1 => Options { attempts: Some(1 << 53), problems: Some(1000), ..plain },
        2 => Options { stopped: Some(1), ..plain },
        3 => Options { stopped: Some(u64::MAX), missing: Missing::Drop, ..plain },
        4 => Options { truth: Some("C".into()), missing: Missing::Fail, ..plain },
        5 => Options { threshold: Some(0.5), missing: Missing::Drop, ..plain },
        6 => Options { columns: Columns::renamed([("cluster", "model"), ("problem_id", "id")]).unwrap(), ..plain },
        _ => plain,
    }
}

fn read(path: &Path) -> Result<()> {
    let groups = match retrial_counts::read(&[path.into()], &Options::default()) {
        Ok(groups) => groups,
        Err(_) => retrial_counts::read(&[path.into()], &options(fs::metadata(path).unwrap().len()))?,
    };
    groups.iter().for_each(valid);
    assert!(!groups.is_empty());
    let names: HashSet<_> = groups.iter().map(|group| (&group.model, &group.benchmark)).collect();
    assert_eq!(names.len(), groups.len(), "a group appears twice");
    written_again(path, &groups);
    Ok(())
}

fn valid(group: &Group) {
    let Group { problems, counts, clusters, outcomes, notes, .. } = group;
    assert!(!problems.is_empty() && problems.len() == counts.len());
    assert!(clusters.is_empty() || clusters.len() == counts.len());
    assert_eq!(problems.iter().collect::<HashSet<_>>().len(), problems.len(), "a problem appears twice");
    assert!(counts.iter().all(|of| of.trials() > 0 && of.successes() <= of.trials()), "{counts:?}");
    let shown = [group.to_string()].into_iter().chain(notes.iter().cloned());
    shown.for_each(|line| assert!(!line.contains(text::is_obeyed), "{line:?}"));
    match outcomes {
        Outcomes::Counted => {}
        Outcomes::First(first) => {
            assert_eq!(first.len(), counts.len());
            for (first, of) in first.iter().zip(counts) {
                assert!(first.is_some() == (of.successes() > 0) && first.is_none_or(|first| first < of.trials()));
            }
        }
        Outcomes::Listed(all) => {
            assert_eq!(all.len(), counts.len());
            for (listed, of) in all.iter().zip(counts) {
                assert_eq!(listed.len() as u64, of.successes());
                assert!(listed.is_sorted_by(|a, b| a < b) && listed.last().is_none_or(|&last| last < of.trials()));
            }
        }
    }
}

/// As JSON lines of counts, the groups are read as they were, but for blanks around names.
fn written_again(path: &Path, groups: &[Group]) {
    let trimmed = |name: &str| name.trim() == name;
    if !groups.iter().all(|of| trimmed(&of.model) && trimmed(&of.benchmark) && of.problems.iter().all(|p| trimmed(p))) {
        return;
    }
    let mut lines = String::new();
    for Group { model, benchmark, problems, counts, .. } in groups {
        for (problem, of) in problems.iter().zip(counts) {
            let (samples, correct) = (of.trials(), of.successes());
            let row = serde_json::json!({"model": model, "benchmark": benchmark, "problem_id": problem,
                "num_samples": samples, "num_correct": correct});
            lines += &format!("{row}\n");
        }
    }
    let again = path.with_file_name("again.jsonl");
    write(&again, lines.as_bytes());
    let read = retrial_counts::read(&[again], &Options::default()).unwrap();
    let parts =
        |group: &Group| (group.model.clone(), group.benchmark.clone(), group.problems.clone(), group.counts.clone());
    assert!(read.iter().map(parts).eq(groups.iter().map(parts)), "{groups:?} is read again as {read:?}");
}

const COUNTS: &str = "model,benchmark,problem_id,num_samples,num_correct\nm,b,1,10,3\nm,b,\"2, x\",20,0\nn,b,1,9,9\n";
const ATTEMPTS: &str = "problem_id,attempt,success\na,1,0\na,2,true\nb,1,0\nb,2,1\nb,3,FALSE\n";

#[test]
fn csv() {
    let utf16: Vec<u8> = "\u{feff}".encode_utf16().chain(COUNTS.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let seeds = [
        Seed::plain(COUNTS),
        Seed::plain(ATTEMPTS),
        Seed::plain("problem_id;subject;cluster;success\na;x;s;1\na;x;s;0\nb;y;t;1\n"),
        Seed::plain("id\tepoch\tmodel\tscore_match\na\t1\tm\tC\na\t2\tm\tI\nb\t1\tm\tC\nb\t2\tm\tC\n"),
        Seed::plain("0,1,1,0\n1,0,0,0\n0,0,0,1\n"),
        Seed::plain("p,1,2,3\na,1,0,1\nb,0,,0\n".replace(",,", ",1,")),
        Seed::plain(utf16),
        Seed { bytes: ATTEMPTS.into(), wrap: gzip },
    ];
    Target::new("csv", "counts.csv").run(&seeds, read);
}

#[test]
fn json_lines() {
    let counts = "{\"problem_id\":\"a\",\"num_samples\":8,\"num_correct\":2,\"x\":[1,{\"y\":null}]}\n\
                  {\"problem_id\":\"b\",\"num_samples\":8,\"num_correct\":0.0}\n";
    let human = r#"{"task_id":"HumanEval/0","completion":"x","passed":true}
{"task_id":"HumanEval/1","completion":"x","passed":false}
{"task_id":"HumanEval/0","completion":"y","passed":false}
"#;
    let harness = r#"{"doc_id":0,"filter":"strict","metrics":["loose","sharp"],"sharp":0.0,"loose":1.0}
{"doc_id":1,"filter":"flexible","metrics":["loose","sharp"],"sharp":1.0,"loose":1.0}
"#;
    let tau = r#"[{"task_id":0,"trial":0,"reward":1.0,"info":{}},{"task_id":0,"trial":1,"reward":0.0},
 {"task_id":1,"trial":0,"reward":0}]"#;
    let graded = r#"[{"question_id":"abc_1","graded_list":[true,false,true],"pass@1":0.66,"metadata":["{}"]},
        {"question_id":"abc_2","graded_list":[false,false,false],"pass@1":0.0}]"#;
    let rows = r#"{"problem_id":1,"attempt":2,"success":0,"cluster":"x"}
        {"problem_id":1,"attempt":1,"success":1,"cluster":"x"}"#;
    let seeds = [counts, human, harness, tau, graded, rows];
    let mut seeds: Vec<Seed> = seeds.into_iter().map(Seed::plain).collect();
    seeds.push(Seed { bytes: counts.into(), wrap: gzip });
    Target::new("json_lines", "counts.jsonl").run(&seeds, read);
}

const INSPECT: &str = r#"{"id":"a","epoch":2,"scores":{"match":{"value":"I"}}}"#;

#[test]
fn documents() {
    let evalplus = r#"{"date":"x","hash":"y","eval":{"HumanEval/0":[
        {"task_id":"HumanEval/0","base_status":"pass","plus_status":"fail","base_fail_tests":[]},
        {"task_id":"HumanEval/0","base_status":"pass","plus_status":"pass"}],
        "HumanEval/1":[{"base_status":"timeout","plus_status":"fail"}]}}"#;
    let once = r#"{"date":"x","hash":"y","eval":{"HumanEval/0":{"nfiles":2,"base":[["pass",[1]],["pass",null]],
        "plus":[["fail",[]],["pass",null]]},"HumanEval/1":{"nfiles":1,"base":[["timeout",[]]],"plus":[["fail",[]]]}}}"#;
    let inspect = format!(
        r#"{{"version":2,"eval":{{"task":"gsm8k","model":"openai/gpt"}},"samples":[{INSPECT},
        {{"id":7,"epoch":1,"scores":{{"match":{{"value":1.0}},"other":{{"value":"P"}}}}}},{}]}}"#,
        INSPECT.replace("\"I\"", "\"C\"").replace("2,", "1,")
    );
    let promptfoo = r#"{"evalId":"x","results":{"version":3,"results":[
        {"testIdx":0,"promptIdx":0,"provider":{"id":"a","label":""},"success":true},
        {"testIdx":0,"promptIdx":0,"provider":{"id":"b"},"success":false},
        {"testIdx":1,"promptIdx":0,"provider":{"id":"a"},"success":false}]},"config":{}}"#;
    let swe =
        r#"{"total_instances":3,"resolved_ids":["a"],"unresolved_ids":["b"],"error_ids":["c"],"empty_patch_ids":[]}"#;
    let multipl_e = r#"{"name":"HumanEval_0","language":"lua","results":[
        {"status":"OK","exit_code":0},{"status":"OK","exit_code":1}]}"#;
    let documents = [evalplus, once, &inspect, promptfoo, swe, multipl_e];
    Target::new("documents", "log.json").run(&documents.map(Seed::plain), read);
}

#[test]
fn yaml() {
    let monkeys = "gt_answer: '4'\norig_dset_idx: 12\nprompt: |\n  is it: yes,\n  or no\n\
                   is_corrects:\n- true\n- false\nsamples:\n- a\n- 'b: c'\n";
    let seeds = [monkeys, "---\nis_corrects: [false, 1, \"0\"]\norig_dset_idx: x\n", "is_corrects: &a [true]\nb: *a\n"];
    Target::new("yaml", "12.yaml").run(&seeds.map(Seed::plain), read);
}

/// A log of inspect_ai around a sample.
fn around_sample(sample: Vec<u8>) -> Vec<u8> {
    let header = br#"{"version":2,"eval":{"task":"gsm8k","model":"openai/gpt"}}"#;
    let other = INSPECT.replace("\"I\"", "\"C\"").replace("2,", "1,");
    let name = "samples/2.json";
    zip(&[("header.json", header), ("samples/1.json", &sample), (name, other.as_bytes())], true)
}

/// A log of inspect_ai around a header.
fn around_header(header: Vec<u8>) -> Vec<u8> {
    zip(&[("header.json", &header), ("samples/1.json", INSPECT.as_bytes())], true)
}

#[test]
fn archives() {
    let header = r#"{"version":2,"eval":{"task":"gsm8k","model":"openai/gpt"}}"#;
    let stored = zip(&[("header.json", header.as_bytes()), ("samples/1.json", INSPECT.as_bytes())], false);
    let seeds = [
        Seed { bytes: INSPECT.into(), wrap: around_sample },
        Seed { bytes: header.into(), wrap: around_header },
        Seed::plain(around_sample(INSPECT.into())),
        Seed::plain(stored),
    ];
    Target::new("archives", "log.eval").run(&seeds, read);
}

/// Attempts, and lists of them.
fn tables(compression: Compression) -> [Vec<u8>; 2] {
    let begin = |schema: &str| {
        let properties = WriterProperties::builder().set_compression(compression).build();
        SerializedFileWriter::new(vec![], Arc::new(parse_message_type(schema).unwrap()), Arc::new(properties)).unwrap()
    };
    let mut attempts = begin("message t { required binary task_id (UTF8); optional boolean passed; }");
    let mut rows = attempts.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&["a", "b", "a"].map(ByteArray::from), None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(&[true, false, false], Some(&[1, 1, 1]), None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    let mut lists = begin(
        "message t { required int64 id; required group is_corrects (LIST) {
            repeated group list { optional boolean element; } } }",
    );
    let mut rows = lists.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[7, 8], None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(&[true, false, true], Some(&[2, 2, 2]), Some(&[0, 1, 0])).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    [attempts.into_inner().unwrap(), lists.into_inner().unwrap()]
}

#[test]
fn parquet() {
    let kinds = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(Default::default())];
    let seeds: Vec<Seed> = kinds.into_iter().flat_map(tables).map(Seed::plain).collect();
    Target::new("parquet", "counts.parquet").run(&seeds, read);
}

/// Outcomes in an array.
#[test]
fn matrices() {
    let outcomes = ndarray::arr2(&[[1u8, 0, 1], [0, 0, 0]]);
    let seeds = [
        Seed::plain(crate::arrays::npy(&outcomes)),
        Seed::plain(crate::arrays::npy(&outcomes.mapv(f64::from))),
        Seed::plain(crate::arrays::npy(&outcomes.mapv(|v| v > 0))),
    ];
    Target::new("matrices", "counts.npy").run(&seeds, read);
}

/// What packs a table.
#[test]
fn packed_tables() {
    let twice = [gzip(COUNTS.into()), gzip("o,b,7,5,5\n".into())].concat();
    let seeds = [Seed::plain(gzip(ATTEMPTS.into())), Seed::plain(twice)];
    Target::new("packed_tables", "counts.csv.gz").run(&seeds, read);
}
