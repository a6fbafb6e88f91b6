//! Every harness's files, as small as they can be, and every way in which they lie.

use flate2::{Compression, write::GzEncoder};
use parquet::{
    basic::Compression as Compressed,
    data_type::{BoolType, ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use retrial_counts::{Columns, Group, Missing, Options, Outcomes, read};
use std::{
    fs,
    io::{Cursor, Write},
    panic,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// Writes files and reads them together.
fn all(files: &[(&str, &[u8])], options: &Options) -> Result<Vec<Group>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for (name, bytes) in files {
        fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        fs::write(path(name), bytes).unwrap();
    }
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| path(name)).collect();
    read(&paths, options).map_err(|e| {
        assert!(e.is_input() && e.to_string().lines().count() == 1, "{e}");
        e.to_string()
    })
}

fn one(name: &str, text: &str) -> Result<Vec<Group>, String> {
    all(&[(name, text.as_bytes())], &Options::default())
}

/// Groups as `model | benchmark: problem c/n ...`.
fn shown(groups: Vec<Group>) -> Vec<String> {
    let group = |group: Group| {
        let counts = group.counts.iter().map(|c| format!("{}/{}", c.successes(), c.trials()));
        let rows: Vec<String> =
            group.problems.iter().zip(counts).map(|(problem, c)| format!("{problem} {c}")).collect();
        format!("{} | {}: {}", group.model, group.benchmark, rows.join(", "))
    };
    groups.into_iter().map(group).collect()
}

#[track_caller]
fn is(name: &str, text: &str, want: &[&str]) {
    assert_eq!(shown(one(name, text).unwrap()), want);
}

#[track_caller]
fn refused(name: &str, text: &str, words: &[&str]) {
    let error = one(name, text).unwrap_err();
    words.iter().for_each(|word| assert!(error.contains(word), "no {word:?} in: {error}"));
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gzip = GzEncoder::new(vec![], Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

const HUMAN_EVAL: &str = r#"{"task_id":"HumanEval/0","completion":"x","result":"passed","passed":true}
{"task_id":"HumanEval/1","completion":"x","result":"failed","passed":false}
{"task_id":"HumanEval/0","completion":"y","result":"failed","passed":false}
"#;

#[test]
fn human_eval() {
    let want = ["results | : HumanEval/0 1/2, HumanEval/1 0/1"];
    is("results.jsonl", HUMAN_EVAL, &want);
    // As an array, pretty and not, behind a byte-order mark, and objects one after the other.
    let array = format!("\u{feff} [{}]", HUMAN_EVAL.trim().replace('\n', ","));
    is("results.json", &array, &want);
    is("results.json", &array.replace(',', ",\n  ").replace('{', "{\n"), &want);
    is("results.json", &HUMAN_EVAL.replace('{', "{\n").replace(":\"", ":\n\""), &want);
    let units: Vec<u8> = array.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(shown(all(&[("results.json", &units)], &Options::default()).unwrap()), want);
}

#[test]
fn evalplus() {
    let now = r#"{"date":"x","hash":"y","eval":{"HumanEval/0":[
        {"task_id":"HumanEval/0","solution":"x","base_status":"pass","plus_status":"fail","base_fail_tests":[]},
        {"task_id":"HumanEval/0","solution":"x","base_status":"pass","plus_status":"pass"}],
        "HumanEval/1":[{"base_status":"timeout","plus_status":"fail"}]}}"#;
    let want = [
        "eval_results | base: HumanEval/0 2/2, HumanEval/1 0/1",
        "eval_results | plus: HumanEval/0 1/2, HumanEval/1 0/1",
    ];
    is("eval_results.json", now, &want);
    is("eval_results.json", &now.replace('\n', ""), &want);
    let once = r#"{"date":"x","hash":"y","eval":{"HumanEval/0":{"nfiles":2,"base":[["pass",[1]],["pass",null]],
        "plus":[["fail",[]],["pass",null]]},"HumanEval/1":{"nfiles":1,"base":[["timeout",[]]],"plus":[["fail",[]]]}}}"#;
    let want = [
        "eval_results | base: HumanEval/0 2/2, HumanEval/1 0/1",
        "eval_results | plus: HumanEval/0 1/2, HumanEval/1 0/1",
    ];
    let mut got = shown(one("eval_results.json", once).unwrap());
    got.sort();
    assert_eq!(got, want);
    refused("eval_results.json", r#"{"hash":1,"eval":{"a":[{"base_status":7}]}}"#, &["EvalPlus"]);
}

#[test]
fn lm_evaluation_harness() {
    let row = |doc: u32, filter: &str, score: &str| {
        format!(
            r#"{{"doc_id":{doc},"doc":{{"q":1}},"target":"t","resps":[["a"]],"filter":"{filter}","metrics":["exact_match"],"exact_match":{score}}}"#
        )
    };
    let rows = [row(0, "strict", "0.0"), row(0, "flexible", "1.0"), row(1, "strict", "1.0"), row(0, "strict", "1.0")];
    is(
        "samples_gsm8k.jsonl",
        &rows.join("\n"),
        &["samples_gsm8k | strict: 0 1/2, 1 1/1", "samples_gsm8k | flexible: 0 1/1"],
    );
    // Of several metrics the first that the file names, which need not be one that anyone has heard of.
    let row = r#"{"doc_id":3,"filter":"none","metrics":["loose","sharp"],"sharp":0.0,"loose":1.0}"#;
    is("s.jsonl", row, &["s | none: 3 1/1"]);
    assert!(one("s.jsonl", row).unwrap()[0].notes[0].contains("loose, sharp this is loose"));
    let forged = one("s.jsonl", &row.replace("[\"loose\"", r#"["loose","x\nerror: \u001b[2J""#)).unwrap();
    assert!(forged[0].notes[0].contains(r"x\nerror: \u{1b}[2J"), "{:?}", forged[0].notes);
    let sharp = Options { columns: Columns::renamed([("success", "sharp")]).unwrap(), ..Options::default() };
    assert_eq!(shown(all(&[("s.jsonl", row.as_bytes())], &sharp).unwrap()), ["s | none: 3 0/1"]);
}

/// A Parquet file of a problem and what was made of it: a row an attempt.
fn parquet(compression: Compressed) -> Vec<u8> {
    let schema =
        "message table { required binary task_id (UTF8); required binary completion (UTF8); optional boolean passed; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(vec![], schema, properties).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    for texts in [["a", "b", "a"], ["some code", "more", "x"]] {
        let mut column = rows.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&texts.map(ByteArray::from), None, None).unwrap();
        column.close().unwrap();
    }
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(&[true, false, false], Some(&[1, 1, 1]), None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    writer.into_inner().unwrap()
}

/// A reader that silences panics of its library silences no other thread's.
#[test]
fn panics_elsewhere_are_heard() {
    const MARK: &str = "heard";
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    let table = parquet(Compressed::SNAPPY);
    let read = || drop(all(&[("p.parquet", &table)], &Options::default()).unwrap());
    read(); // puts in the reader's own hook, which it does once
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| match panic.payload().downcast_ref::<&str>() {
        Some(&MARK) => drop(HEARD.fetch_add(1, Ordering::Relaxed)),
        _ => before(panic),
    }));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                read();
            }
        });
        (0..2000).for_each(|_| assert!(panic::catch_unwind(|| panic::panic_any(MARK)).is_err()));
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(HEARD.load(Ordering::Relaxed), 2000);
}

/// Columns of any type that a table needs, in every compression that writers use, and no damage that ends in a panic.
#[test]
fn parquet_tables() {
    for kind in [Compressed::UNCOMPRESSED, Compressed::SNAPPY, Compressed::GZIP(Default::default())] {
        let got = all(&[("p.parquet", &parquet(kind))], &Options::default()).unwrap();
        assert_eq!(shown(got), ["p | : a 1/2, b 0/1"], "{kind}");
    }
    // Lists of outcomes, and numbers of both kinds.
    let schema = "message t { required int64 id; required group is_corrects (LIST) { repeated group list { optional boolean element; } } }";
    let mut writer =
        SerializedFileWriter::new(vec![], Arc::new(parse_message_type(schema).unwrap()), Default::default()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[7, 8], None, None).unwrap();
    column.close().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(&[true, false, true], Some(&[2, 2, 2]), Some(&[0, 1, 0])).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    let lists = writer.into_inner().unwrap();
    assert_eq!(shown(all(&[("l.parquet", &lists)], &Options::default()).unwrap()), ["l | : 7 1/2, 8 1/1"]);
    let wrong = Options { columns: Columns::renamed([("success", "gone")]).unwrap(), ..Options::default() };
    let fault = all(&[("l.parquet", &lists)], &wrong).unwrap_err();
    assert!(fault.contains("column gone") && fault.contains("id, is_corrects"), "{fault}");
    // A dictionary that claims as many values as would take 65 GB, found by fuzzing.
    let huge = all(&[("h.parquet", include_bytes!("huge_dictionary.parquet"))], &Options::default()).unwrap_err();
    assert!(huge.to_string().contains("a dictionary of"), "{huge}");
    let whole = parquet(Compressed::SNAPPY);
    for end in 0..whole.len() {
        drop(all(&[("p.parquet", &whole[..end])], &Options::default()));
    }
    for at in 0..whole.len() {
        for byte in [0, 0xFF, whole[at] ^ 1] {
            let mut bytes = whole.clone();
            bytes[at] = byte;
            drop(all(&[("p.parquet", &bytes)], &Options::default()));
        }
    }
}

/// Problems of one subject belong together, in whatever file they are; no problem belongs to two.
#[test]
fn clusters() {
    let named = Options { columns: Columns::renamed([("cluster", "subject")]).unwrap(), ..Options::default() };
    let text = "problem_id,subject,success\na,x,1\na,x,0\nb,y,1\nc,x,0\n";
    let groups = all(&[("t.csv", text.as_bytes())], &named).unwrap();
    assert_eq!(groups[0].clusters, ["x".into(), "y".into(), "x".into()]);
    assert_eq!(groups[0].cluster_numbers(), Some(vec![0, 1, 0]));
    assert_eq!(one("t.csv", "problem_id,success\na,1\n").unwrap()[0].cluster_numbers(), None);
    let two = "problem_id,subject,success\na,x,1\na,y,0\n";
    assert!(all(&[("t.csv", two.as_bytes())], &named).unwrap_err().contains("belongs to one"));
    let rows = "problem_id,cluster,num_samples,num_correct\na,x,4,1\nb,y,4,2\n";
    assert_eq!(one("t.csv", rows).unwrap()[0].clusters.len(), 2);
    assert!(one("t.csv", "problem_id,success\na,1\n").is_ok());
}

#[test]
fn inspect() {
    let sample = |id: &str, epoch: u32, value: &str| {
        format!(r#"{{"id":{id},"epoch":{epoch},"input":"x","scores":{{"match":{{"value":{value},"answer":"y"}}}}}}"#)
    };
    let samples =
        [sample("\"a\"", 2, "\"I\""), sample("\"a\"", 1, "\"C\""), sample("7", 1, "0.0"), sample("7", 2, "1")];
    let eval = r#"{"task":"gsm8k","model":"openai/gpt"}"#;
    let log = format!(r#"{{"version":2,"status":"success","eval":{eval},"samples":[{}]}}"#, samples.join(","));
    let want = ["openai/gpt | gsm8k: a 1/2, 7 1/2"];
    is("log.json", &log, &want);
    let groups = one("log.json", &log).unwrap();
    assert_eq!(groups[0].outcomes, Outcomes::Listed(vec![vec![0], vec![1]]), "epochs are in order");

    let mut zip = zip::ZipWriter::new(Cursor::new(vec![]));
    let stored = zip::write::SimpleFileOptions::default();
    let mut file = |name: &str, text: &str| {
        zip.start_file(name, stored).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    };
    file("header.json", &format!(r#"{{"version":2,"eval":{eval}}}"#));
    for (i, sample) in samples.iter().enumerate() {
        file(&format!("samples/{i}.json"), sample);
    }
    let bytes = zip.finish().unwrap().into_inner();
    let got = shown(all(&[("log.eval", &bytes)], &Options::default()).unwrap());
    assert_eq!(got, want);
    assert!(all(&[("log.eval", &bytes[..bytes.len() / 2])], &Options::default()).unwrap_err().contains("zip archive"));

    let table = "id,epoch,model,score_match\na,1,m,C\na,2,m,I\nb,1,m,C\nb,2,m,C\n";
    is("samples.csv", table, &["m | : a 1/2, b 2/2"]);

    // A sample that broke has no score.
    let broken = log.replace(r#""scores":{"match":{"value":1,"answer":"y"}}"#, r#""error":{"message":"x"}"#);
    refused("log.json", &broken, &["is empty", "--missing drop"]);
    let with = |missing| Options { missing, ..Options::default() };
    let file = [("log.json", broken.as_bytes())];
    assert_eq!(shown(all(&file, &with(Missing::Drop)).unwrap()), ["openai/gpt | gsm8k: a 1/2, 7 0/1"]);
    let failed = all(&file, &with(Missing::Fail)).unwrap();
    assert!(failed[0].notes[0].contains("1 attempts without an outcome count as failures"), "{:?}", failed[0].notes);
    assert_eq!(shown(failed), ["openai/gpt | gsm8k: a 1/2, 7 0/2"]);
}

#[test]
fn live_code_bench() {
    let text = r#"[{"question_id":"abc_1","graded_list":[true,false,true],"pass@1":0.66,"metadata":["{}"]},
        {"question_id":"abc_2","graded_list":[false,false,false],"pass@1":0.0}]"#;
    is("model_eval_all.json", text, &["model_eval_all | : abc_1 2/3, abc_2 0/3"]);
}

#[test]
fn promptfoo() {
    let test = |test: u32, provider: &str, success: bool| {
        format!(
            r#"{{"testIdx":{test},"promptIdx":0,"provider":{{"id":"{provider}","label":""}},"vars":{{}},"success":{success}}}"#
        )
    };
    let tests = [test(0, "a", true), test(0, "b", false), test(1, "a", false), test(0, "a", false)].join(",");
    let want = ["a | : 0 1/2, 1 0/1", "b | : 0 0/1"];
    is(
        "output.json",
        &format!(r#"{{"evalId":"x","results":{{"version":3,"results":[{tests}]}},"config":{{}}}}"#),
        &want,
    );
    is("output.json", &format!(r#"{{"results":[{tests}],"config":{{}}}}"#), &want);
}

#[test]
fn swe_bench() {
    let report = |resolved: &str, unresolved: &str, broken: &str| {
        format!(
            r#"{{"total_instances":3,"resolved_ids":[{resolved}],"unresolved_ids":[{unresolved}],"error_ids":[{broken}],"empty_patch_ids":[]}}"#
        )
    };
    let (first, second) = (report(r#""a""#, r#""b""#, r#""c""#), report(r#""a","c""#, "", r#""b""#));
    let files = [("gpt-4.1.first.json", first.as_bytes()), ("gpt-4.1.second.json", second.as_bytes())];
    let groups = all(&files, &Options::default()).unwrap();
    assert_eq!(groups[0].outcomes, Outcomes::Listed(vec![vec![0, 1], vec![], vec![1]]));
    assert!(groups[0].notes[0].contains("several files"), "{:?}", groups[0].notes);
    assert_eq!(shown(groups), ["gpt-4.1 | : a 2/2, b 0/2, c 1/2"]);
    // Two attempts may end alike; the same file is none.
    let alike = [("m.a.json", first.as_bytes()), ("m.b.json", first.as_bytes())];
    let alike = all(&alike, &Options::default()).unwrap();
    assert!(alike[0].notes.iter().any(|note| note.contains("same bytes") && note.contains("a copy")), "{alike:?}");
    assert_eq!(shown(alike), ["m | : a 2/2, b 0/2, c 0/2"]);
    let twice = all(&[("m.a.json", first.as_bytes()), ("m.a.json", first.as_bytes())], &Options::default());
    assert!(twice.unwrap_err().contains("given twice"));
}

#[test]
fn tau_bench() {
    let text = r#"[{"task_id":0,"trial":0,"reward":1.0,"info":{}},{"task_id":0,"trial":1,"reward":0.0},{"task_id":1,"trial":0,"reward":0}]"#;
    is("retail.json", text, &["retail | : 0 1/2, 1 0/1"]);
    let partial = text.replace("1.0", "0.5");
    refused("retail.json", &partial, &["is 0.5", "--threshold"]);
    let options = Options { threshold: Some(0.5), ..Options::default() };
    let got = all(&[("retail.json", partial.as_bytes())], &options).unwrap();
    assert_eq!(shown(got), ["retail | : 0 1/2, 1 0/1"]);
}

#[test]
fn multipl_e_and_monkeys_lie_in_directories() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("starcoder-lua");
    fs::create_dir(&folder).unwrap();
    let problem = |name: &str, codes: &[i32]| {
        let results: Vec<String> =
            codes.iter().map(|code| format!(r#"{{"status":"OK","exit_code":{code},"program":"x"}}"#)).collect();
        gzip(&format!(r#"{{"name":"{name}","language":"lua","results":[{}]}}"#, results.join(",")))
    };
    fs::write(folder.join("HumanEval_0.results.json.gz"), problem("HumanEval_0", &[0, 1, 0])).unwrap();
    fs::write(folder.join("HumanEval_1.results.json.gz"), problem("HumanEval_1", &[1, 1, 1])).unwrap();
    fs::write(folder.join("README.txt"), "no results").unwrap();
    let got = shown(read(&[folder], &Options::default()).unwrap());
    assert_eq!(got, ["starcoder-lua | lua: HumanEval_0 2/3, HumanEval_1 0/3"]);

    let folder = dir.path().join("Llama-3");
    fs::create_dir(&folder).unwrap();
    let text = "gt_answer: '4'\norig_dset_idx: 12\nprompt: |\n  is it: yes,\n  or no\nis_corrects:\n- true\n- false\nsamples:\n- a\n- 'b: c'\n";
    fs::write(folder.join("12.yaml"), text).unwrap();
    fs::write(folder.join("13.yaml"), "is_corrects: [false, false]\nprompt: x\n").unwrap();
    assert_eq!(
        shown(read(std::slice::from_ref(&folder), &Options::default()).unwrap()),
        ["Llama-3 | : 12 1/2, 13 0/2"]
    );
    fs::write(folder.join("14.yaml"), "prompt: x\nsamples: []\n").unwrap();
    assert!(read(&[folder], &Options::default()).unwrap_err().to_string().contains("no is_corrects"));
    // What lies between is not parsed, and lists of lists are none of outcomes.
    let deep = format!("samples: {}\nis_corrects: [true, false]\n", "[a: &b ".repeat(100_000));
    assert_eq!(shown(one("15.yaml", &deep).unwrap())[0].rsplit(": ").next(), Some("15 1/2"));
    refused(
        "16.yaml",
        &format!("is_corrects: {}\n", "[a: &b ".repeat(100_000)),
        &["16.yaml", "more than 100 brackets"],
    );
    let empty = read(&[dir.path().into()], &Options::default()).unwrap_err().to_string();
    assert!(empty.contains("run.json") && empty.contains("*.csv"), "{empty}");
}

#[test]
fn matrices() {
    is("wide.csv", "problem,1,2,3\nx,1,0,1\ny,0,0,0\n", &["wide | : x 2/3, y 0/3"]);
    is("wide.csv", "a1,a2,a3\n1,0,1\n0,0,0\n", &["wide | : 1 2/3, 2 0/3"]);
    is("wide.csv", "1,0,1\n0,0,0\n", &["wide | : 1 2/3, 2 0/3"]);
    is("wide.tsv", "task\tt0\tt1\nx\ttrue\tfalse\n", &["wide | : x 1/2"]);
    for (descr, bytes) in [
        ("|b1", vec![1, 0, 1, 0, 0, 0]),
        ("|u1", vec![1, 0, 1, 0, 0, 0]),
        ("<f8", [1.0f64, 0.0, 1.0, 0.0, 0.0, 0.0].map(f64::to_le_bytes).concat()),
    ] {
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (2, 3), }}");
        let mut npy = b"\x93NUMPY\x01\x00".to_vec();
        npy.extend((header.len() as u16).to_le_bytes());
        npy.extend(header.as_bytes());
        npy.extend(bytes);
        assert_eq!(shown(all(&[("m.npy", &npy)], &Options::default()).unwrap()), ["m | : 1 2/3, 2 0/3"], "{descr}");
    }
}

/// What parts fields, what an outcome is called, and what is said of attempts.
#[test]
fn tables_of_many_hands() {
    is("t.csv", "problem_id;num_samples;num_correct\na;4;1\n", &["t | : a 1/4"]);
    is("t.tsv", "problem_id\tnum_samples\tnum_correct\na, b\t4\t1\n", &["t | : a, b 1/4"]);
    is("t.csv", "task_id,correct,trial\na,yes,0\na,no,1\n", &["t | : a 1/2"]);
    is("t.jsonl", r#"{"problem_id":"a","success":[1,0,"true",false]}"#, &["t | : a 2/4"]);
    let truth = Options { truth: Some("Good".into()), ..Options::default() };
    let got = all(&[("t.csv", b"problem_id,success\na,good\na,great\n")], &truth).unwrap();
    assert_eq!(shown(got), ["t | : a 1/2"]);
    let gaps = one("t.csv", "problem_id,attempt,success\na,1,1\na,3,0\nb,1,0\nb,2,0\n").unwrap();
    assert!(gaps[0].notes[0].contains("attempts of 1 problems have gaps"), "{:?}", gaps[0].notes);
    let stopped = one("t.csv", "problem_id,num_samples,num_correct\na,4,1\nb,9,1\nc,20,0\n").unwrap();
    assert!(stopped[0].notes[0].contains("--stopped"), "{:?}", stopped[0].notes);
    // From 0, in a list of successes too.
    let options = Options { attempts: Some(3), problems: Some(2), ..Options::default() };
    let got = all(&[("t.csv", b"problem_id,attempt\na,0\na,2\n")], &options).unwrap();
    assert_eq!(got[0].outcomes, Outcomes::Listed(vec![vec![0, 2], vec![]]));
    assert!(all(&[("t.csv", b"problem_id,attempt\na,0\na,3\n")], &options).unwrap_err().contains("count from 0"));
}

#[test]
fn what_cannot_be_told_apart_is_refused() {
    refused(
        "t.jsonl",
        "{\"problem_id\":1,\"success\":1}\n{\"problem_id\":\"1\",\"success\":0}",
        &["row 2", "problem_id", "\"1\""],
    );
    refused(
        "t.jsonl",
        "{\"problem_id\":1,\"success\":1}\n{\"problem_id\":2,\"success\":0,\"model\":\"m\"}",
        &["row 2", "column model", "first row has none"],
    );
    refused("t.jsonl", "{\"problem_id\":1,\"success\":[1],\"attempt\":1}", &["success", "a list"]);
    refused("t.csv", "name,speed\na,3\n", &["name, speed", "num_correct", "--columns"]);
    refused("t.json", "{\"name\":1,\"speed\":2}", &["name, speed", "--columns"]);
    refused("t.json", "[1, 2]", &["no JSON"]);
    refused("t.json", "[]", &["without an object"]);
    refused("t.json", "[{\"problem_id\":1,\"success\":1}", &["no JSON"]);
    refused("t.json", "[{\"problem_id\":1,\"success\":1}] {}", &["does not end"]);
    refused("t.csv", "problem_id,success\na,\n", &["is empty", "--missing"]);
    let drop = Options { missing: Missing::Drop, ..Options::default() };
    assert!(all(&[("t.csv", b"problem_id,success\na,\n")], &drop).unwrap_err().contains("no outcome"));
}

/// No bytes end in a panic, whatever a file claims to be: every prefix, and every byte replaced, of some of the above.
#[test]
fn damaged_files_end_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let files: [(&str, &str); 6] = [
        ("a.jsonl", HUMAN_EVAL),
        ("b.json", r#"{"hash":"y","eval":{"a":[{"base_status":"pass","plus_status":null}]}}"#),
        ("c.json", r#"{"eval":{"task":"t","model":"m"},"samples":[{"id":1,"epoch":1,"scores":{"s":{"value":"C"}}}]}"#),
        ("d.json", r#"{"resolved_ids":["a"],"unresolved_ids":[],"error_ids":[]}"#),
        ("e.yaml", "is_corrects: [true, false]\nprompt: |\n  x\n"),
        ("f.csv", "problem,1,2\nx,1,0\n"),
    ];
    let check = |path: &Path| {
        if let Err(e) = read(&[path.into()], &Options::default()) {
            assert!(e.is_input() && e.to_string().lines().count() == 1, "{e}");
        }
    };
    for (name, text) in files {
        let path = dir.path().join(name);
        for end in 0..text.len() {
            fs::write(&path, &text[..end]).unwrap();
            check(&path);
        }
        for at in 0..text.len() {
            for byte in [b'"', b'{', b']', b'0', b'-', b'\n', 0, 0xFF] {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = byte;
                fs::write(&path, bytes).unwrap();
                check(&path);
            }
        }
    }
}
