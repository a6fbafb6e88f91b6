//! Tables of every kind, and every way in which they can be wrong.

use flate2::{Compression, write::GzEncoder};
use retrial_counts::{Columns, Group, Options, Outcomes, read};
use retrial_theory::coverage::Counts;
use std::{fs, io::Write, path::Path};

fn parse(name: &str, bytes: &[u8], options: &Options) -> Result<Vec<Group>, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    read(&[path], options).map_err(|e| {
        assert!(e.is_input(), "{e}");
        e.to_string()
    })
}

fn csv(text: &str) -> Vec<Group> {
    parse("table.csv", text.as_bytes(), &Options::default()).unwrap()
}

/// One line that names the file and says all of `words`.
#[track_caller]
fn refused(text: &str, options: &Options, words: &[&str]) {
    let error = parse("table.csv", text.as_bytes(), options).unwrap_err();
    assert!(!error.contains('\n'), "{error}");
    for word in ["table.csv"].iter().chain(words) {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

fn pairs(group: &Group) -> Vec<(&str, u64, u64)> {
    let counts = group.counts.iter().map(|c| (c.trials(), c.successes()));
    group.problems.iter().zip(counts).map(|(problem, (n, c))| (&**problem, n, c)).collect()
}

fn successes_only() -> Options {
    Options { attempts: Some(5), problems: Some(4), ..Options::default() }
}

const TWO_GROUPS: &str = "\
model,benchmark,problem_id,num_samples,num_correct
small,MATH,a,10,3
large,MATH,a,20,20
small,MATH,\"b, again\",7,0
";

#[test]
fn counts_of_several_groups_with_unequal_attempts() {
    let groups = csv(TWO_GROUPS);
    assert_eq!(groups.iter().map(Group::to_string).collect::<Vec<_>>(), ["small, MATH", "large, MATH"]);
    assert_eq!(pairs(&groups[0]), [("a", 10, 3), ("b, again", 7, 0)]);
    assert_eq!(pairs(&groups[1]), [("a", 20, 20)]);
    assert_eq!((groups[0].least_trials(), groups[0].most_trials()), (7, 10));
    assert_eq!(groups[0].outcomes, Outcomes::Counted);
}

#[test]
fn order_spaces_line_ends_and_more_columns_do_not_matter() {
    let text = "\u{feff}num_correct, note ,num_samples,problem_id\r\n 3 ,x, 10.0 ,a\r\n\r\n0,y,1e3,b\r\n";
    let groups = csv(text);
    assert_eq!(groups[0].to_string(), "table"); // no model: the file's name
    assert_eq!(pairs(&groups[0]), [("a", 10, 3), ("b", 1000, 0)]);
}

#[test]
fn json_lines_and_gzip_hold_the_same() {
    let json = br#"
{"model":"small","benchmark":"MATH","problem_id":"a","num_samples":10,"num_correct":3,"other":[1]}
{"model":"large","benchmark":"MATH","problem_id":"a","num_samples":20.0,"num_correct":20}

{"model":"small","benchmark":"MATH","problem_id":"b, again","num_samples":"7","num_correct":0}"#;
    let options = Options::default();
    assert_eq!(parse("x.jsonl", json, &options).unwrap(), csv(TWO_GROUPS));
    // Two members in one file, as `cat a.gz b.gz` leaves them.
    let (first, second) = TWO_GROUPS.split_at(70);
    let mut bytes = vec![];
    for part in [first, second] {
        let mut gzip = GzEncoder::new(&mut bytes, Compression::fast());
        gzip.write_all(part.as_bytes()).unwrap();
        gzip.finish().unwrap();
    }
    assert_eq!(parse("table.csv.gz", &bytes, &options).unwrap(), csv(TWO_GROUPS));
    assert!(parse("table.csv.gz", &bytes[..60], &options).unwrap_err().contains("table.csv.gz"));
}

#[test]
fn values_of_json_are_what_csv_would_hold() {
    let text = concat!(
        r#"{"problem_id":" a\u0041 ","n":8,"num_correct":1e0,"x":{"y":[{}]}}"#,
        "\n",
        r#"{"problem_id":-2.50,"n":"8","num_correct":2}"#,
        "\n",
        r#"{"problem_id":true,"n":9007199254740992,"num_correct":9007199254740992.0}"#,
    );
    let columns = Columns::renamed([("num_samples", "n")]).unwrap();
    let groups = parse("x.jsonl", text.as_bytes(), &Options { columns, ..Options::default() }).unwrap();
    assert_eq!(pairs(&groups[0]), [("aA", 8, 1), ("-2.5", 8, 2), ("true", 1 << 53, 1 << 53)]);
    // Two columns of one name.
    let columns = Columns::renamed([("num_samples", "n"), ("num_correct", "n")]).unwrap();
    let groups = parse("x.jsonl", b"{\"problem_id\":1,\"n\":3}", &Options { columns, ..Options::default() }).unwrap();
    assert_eq!(pairs(&groups[0]), [("1", 3, 3)]);
}

#[test]
fn columns_have_the_names_they_are_given() {
    let columns = Columns::renamed([("num_correct", "passed"), ("problem_id", "task"), ("model", "who")]).unwrap();
    let options = Options { columns, attempts: Some(8), ..Options::default() };
    let groups = parse("t.csv", b"who,task,passed\nx,1,2\nx,2,8\n", &options).unwrap();
    assert_eq!(pairs(&groups[0]), [("1", 8, 2), ("2", 8, 8)]);
    refused("task,passed\n1,2\n", &options, &["header", "who", "missing", "task, passed"]);
    assert!(Columns::renamed([("correct", "x")]).unwrap_err().to_string().contains("num_correct"));
    assert!(Columns::renamed([("model", "x"), ("model", "y")]).unwrap_err().to_string().contains("twice"));
}

#[test]
fn attempts_one_a_row() {
    let plain = csv("problem_id,success\na,0\nb,1\na,true\na,FALSE\n");
    assert_eq!(pairs(&plain[0]), [("a", 3, 1), ("b", 1, 1)]);
    assert_eq!(plain[0].outcomes, Outcomes::Listed(vec![vec![1], vec![0]]));
    assert_eq!(plain[0].first_successes(), Some(vec![Some(1), Some(0)]));
    let numbered = csv("problem_id,attempt,success\na,3,1\na,1,0\na,2,1\n");
    assert_eq!(numbered[0].outcomes, Outcomes::Listed(vec![vec![1, 2]]));
    let json = "{\"problem_id\":1,\"success\":true}\n{\"problem_id\":1,\"success\":false}\n";
    assert_eq!(pairs(&parse("x.jsonl", json.as_bytes(), &Options::default()).unwrap()[0]), [("1", 2, 1)]);
    let twice = "problem_id,attempt,success\na,1,1\nb,1,1\na,1,0\n";
    refused(twice, &Options::default(), &["row 3", "column attempt", "1 of problem a", "twice"]);
    refused("problem_id,success\na,maybe\n", &Options::default(), &["row 1", "column success", "maybe"]);
}

#[test]
fn successes_alone_need_to_be_told_the_rest() {
    let text = "model,problem_id,attempt\nx,a,5\nx,a,2\nx,quiet,\nx,b,1\n";
    let groups = parse("t.csv", text.as_bytes(), &successes_only()).unwrap();
    assert_eq!(pairs(&groups[0]), [("a", 5, 2), ("quiet", 5, 0), ("b", 5, 1), ("unlisted 1", 5, 0)]);
    assert_eq!(groups[0].outcomes, Outcomes::Listed(vec![vec![1, 4], vec![], vec![0], vec![]]));
    refused(text, &Options::default(), &["--attempts"]);
    refused(text, &Options { attempts: Some(5), ..Options::default() }, &["--problems", "never solved"]);
    let four = Options { attempts: Some(4), ..successes_only() };
    refused(text, &four, &["row 1", "column attempt", "is 5", "4"]);
    refused(text, &Options { problems: Some(2), ..successes_only() }, &["problems", "2", "3"]);
    refused("problem_id,attempt\na,0\na,5\n", &successes_only(), &["row 2", "attempt", "count from 0"]);
    refused("problem_id,attempt\na,3\na,3\n", &successes_only(), &["row 2", "attempt", "twice"]);
}

#[test]
fn stopped_data_know_their_first_successes() {
    let stopped = Options { stopped: Some(1), ..Options::default() };
    let text = "problem_id,num_samples,num_correct\na,3,1\nb,9,0\n";
    let groups = parse("t.csv", text.as_bytes(), &stopped).unwrap();
    assert_eq!(groups[0].outcomes, Outcomes::First(vec![Some(2), None]));
    refused("problem_id,num_samples,num_correct\na,3,2\n", &stopped, &["row 1", "num_correct", "is 2", "0 or 1"]);
    let early = "problem_id,success\na,0\na,1\na,0\n";
    refused(early, &stopped, &["row 2", "column success", "after this success", "--stopped"]);
}

/// Attempts by 3, at most 8, until a batch succeeds: what keeps to that, and the row of what does not.
#[test]
fn batches_end_with_a_success() {
    let by = |batch| Options { stopped: Some(batch), ..Options::default() };
    let head = "model,problem_id,num_samples,num_correct\n";
    let good = format!("{head}x,a,3,2\nx,b,8,2\nx,c,6,3\nx,d,8,0\nx,e,6,0\ny,a,4,1\n");
    let groups = parse("t.csv", good.as_bytes(), &by(3)).unwrap();
    assert_eq!(groups[0].outcomes, Outcomes::Counted);
    assert_eq!(pairs(&groups[0])[1], ("b", 8, 2));
    for (row, words) in [
        ("x,f,8,3", ["row 3", "num_correct", "is 3", "last batch of 8 attempts has 2"]),
        ("x,f,4,1", ["row 3", "num_samples", "end at 4", "most in x, 8"]),
        ("x,f,7,0", ["row 3", "num_samples", "end at 7", "most in x, 8"]),
        ("x,f,6,4", ["row 3", "num_correct", "is 4", "has 3"]),
        ("x,f,2,3", ["row 3", "num_correct", "is 3", "only 2"]),
    ] {
        refused(&format!("{head}x,d,8,0\ny,a,5,0\n{row}\n"), &by(3), &words);
    }
    let listed = |outcomes: &[(&str, &str)]| {
        let row = |(problem, all): &(&str, &str)| all.chars().map(|c| format!("{problem},{c}\n")).collect::<String>();
        "problem_id,success\n".to_string() + &outcomes.iter().map(row).collect::<String>()
    };
    let good = listed(&[("a", "011"), ("b", "000010"), ("c", "00000011"), ("d", "00000000"), ("e", "000")]);
    let groups = parse("t.csv", good.as_bytes(), &by(3)).unwrap();
    assert_eq!(groups[0].outcomes, Outcomes::Listed(vec![vec![1, 2], vec![4], vec![6, 7], vec![], vec![]]));
    let on = listed(&[("a", "00000000"), ("b", "0100")]);
    refused(&on, &by(3), &["row 10", "column success", "problem b", "after this success", "--batch"]);
    let short = listed(&[("a", "00000000"), ("b", "0001")]);
    refused(&short, &by(3), &["row 12", "column success", "end at 4", "most in table, 8"]);
    assert!(parse("t.csv", b"problem_id,success\na,0\n", &by(0)).unwrap_err().contains("batch"));
}

#[test]
fn faults_name_row_and_column() {
    let none = &Options::default();
    let row = |fields: &str| format!("problem_id,num_samples,num_correct\na,5,5\n{fields}\n");
    refused(&row("b,10,11"), none, &["row 2 (line 3)", "column num_correct", "is 11", "10"]);
    refused(&row("b,0,0"), none, &["row 2", "column num_samples", "is 0"]);
    refused(&row("b,-3,0"), none, &["row 2", "column num_samples", "is -3", "negative"]);
    refused(&row("b,3,-1"), none, &["row 2", "column num_correct", "is -1", "negative"]);
    refused(&row("b,3,0.5"), none, &["row 2", "column num_correct", "is 0.5", "whole"]);
    refused(&row("b,many,0"), none, &["row 2", "column num_samples", "is many", "number"]);
    refused(&row("b,nan,0"), none, &["row 2", "column num_samples", "is nan", "number"]);
    refused(&row("b,inf,0"), none, &["row 2", "column num_samples", "2^53"]);
    refused(&row("b,,0"), none, &["row 2", "column num_samples", "empty"]);
    refused(&row(",3,0"), none, &["row 2", "column problem_id", "empty"]);
    refused(&row("a,3,0"), none, &["row 2", "column problem_id", "a appears twice"]);
    refused(&row("b,3"), none, &["row 2 (line 3)", "column 3", "2 fields", "3"]);
    refused("problem_id,num_samples\na,3\n", none, &["header", "column num_correct", "missing", "--columns"]);
    refused("problem_id,num_correct\na,3\n", none, &["header", "column num_samples", "missing", "--attempts"]);
    refused("num_samples,num_correct\n3,3\n", none, &["header", "column problem_id", "missing"]);
    refused("problem_id,problem_id,num_samples,num_correct\n", none, &["problem_id", "twice"]);
    refused("problem_id,num_samples,num_correct\n", none, &["no rows"]);
    refused("", none, &["empty"]);
    refused(" \n\n", none, &["empty"]);
    refused("[{}]", none, &["column num_correct", "missing"]);
    refused("{\"problem_id\": 1\n", none, &["line 2", "no JSON"]);
    refused("{\"problem_id\": 1} x\n", none, &["line 1", "no JSON"]);
    refused("{\"problem_id\": 1, \"problem_id\": 2}\n", none, &["row 1 (line 1)", "problem_id appears twice"]);
    refused(
        "{\"problem_id\":1,\"num_samples\":[2],\"num_correct\":1}",
        none,
        &["row 1", "column num_samples", "array"],
    );
    let given = Options { attempts: Some(5), ..Options::default() };
    refused(&row("b,3,1"), &given, &["attempts", "5", "drop"]);
    let model = "model,problem_id,num_samples,num_correct\n,a,3,1\n";
    refused(model, none, &["row 1", "column model", "empty"]);
    let bytes = parse("table.csv", b"problem_id,num_samples,num_correct\n\xff,3,1\n", none).unwrap_err();
    assert!(bytes.contains("row 1") && bytes.contains("UTF-8"), "{bytes}");
}

#[test]
fn a_missing_file_or_an_empty_folder_is_no_run() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| read(&[path.into()], &Options::default()).unwrap_err();
    assert!(error(&dir.path().join("gone.csv")).to_string().contains("gone.csv"));
    assert!(error(dir.path()).to_string().contains("run.json"));
}

#[test]
fn the_shared_tables_agree_with_each_other() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if !data.is_dir() {
        eprintln!("SKIPPED shared tables: {} is not there", data.display());
        return;
    }
    let counted = read(&[data.join("pythia_math_counts.csv")], &Options::default()).unwrap();
    let options = Options { attempts: Some(10_000), problems: Some(128), ..Options::default() };
    let listed = read(&[data.join("pythia_math_success_attempts.csv.gz")], &options).unwrap();
    assert_eq!(counted.len(), 7);
    assert_eq!(listed.len(), 7);
    for group in &listed {
        let same = counted.iter().find(|other| other.model == group.model).unwrap();
        let solved = |group: &Group| {
            let mut rows: Vec<(String, u64)> = group
                .problems
                .iter()
                .zip(&group.counts)
                .filter(|(_, c)| c.successes() > 0)
                .map(|(p, c)| (p.to_string(), c.successes()))
                .collect();
            rows.sort();
            rows
        };
        assert_eq!(group.counts.len(), 128);
        assert_eq!(solved(group), solved(same));
    }
}

#[test]
fn problems_keep_the_order_of_the_file() {
    let text: String = (0..1000).map(|i| format!("p{},{},{}\n", i * 7919 % 1000, i + 1, i)).collect();
    let groups = csv(&format!("problem_id,num_samples,num_correct\n{text}"));
    let wanted: Vec<Counts> = (0..1000).map(|i| Counts::new(i + 1, i).unwrap()).collect();
    assert_eq!(groups[0].counts, wanted);
    assert_eq!(&*groups[0].problems[1], "p919");
}
