//! What statisticians look for, through the commands: clusters, any moment, policies, exponents across groups, given laws.

use crate::cli::{files, refuses, retrial, succeeds};
use serde_json::Value;
use std::{fs, path::Path};

fn json(args: &str) -> Vec<Value> {
    serde_json::from_str(&succeeds(&format!("{args} --json"))).unwrap()
}

fn ends(value: &Value) -> [f64; 2] {
    [0, 1].map(|end| value[end].as_f64().unwrap_or_else(|| panic!("{value}")))
}

fn width(value: &Value) -> f64 {
    ends(value)[1] - ends(value)[0]
}

/// Counts of a law, with the name of each problem's subject.
fn drawn(path: &Path, more: &str) -> String {
    succeeds(&format!("simulate {more} --out {}", path.display()));
    path.display().to_string()
}

#[test]
fn clusters_and_any_moment_have_their_intervals() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.csv");
    // Ten problems of a subject are of one difficulty.
    let rows: String = (0..200)
        .map(|i| {
            let subject = i / 10;
            format!("p{i},subject {subject},40,{}\n", (subject * 7) % 40)
        })
        .collect();
    fs::write(&path, format!("problem_id,subject,num_samples,num_correct\n{rows}")).unwrap();
    let path = path.display().to_string();
    let plain = json(&format!("coverage {path} --k 1"));
    let said = json(&format!("coverage {path} --k 1 --columns cluster=subject --anytime"));
    let at = |said: &[Value]| said[0]["estimates"][0]["points"][0].clone();
    let (plain, point) = (at(&plain), at(&said));
    assert!(plain["resampled_clusters"].is_null() && plain["any_moment"].is_null(), "{plain}");
    assert_eq!(plain["resampled_problems"], point["resampled_problems"]);
    assert!(width(&point["resampled_clusters"]) > 2.0 * width(&point["resampled_problems"]), "{point}");
    assert!(width(&point["any_moment"]) > width(&point["fixed_benchmark"]), "{point}");
    let text = succeeds(&format!("coverage {path} --columns cluster=subject --anytime"));
    assert!(text.contains("resampled clusters") && text.contains("any moment"), "{text}");
    assert!(!succeeds(&format!("coverage {path}")).contains("resampled clusters"));
    let unequal = dir.path().join("u.csv");
    fs::write(&unequal, "problem_id,num_samples,num_correct\na,4,1\nb,5,1\n").unwrap();
    refuses(&format!("coverage {} --anytime", unequal.display()), &["equally many", "4 and 5"]);
    let one = dir.path().join("one.csv");
    fs::write(&one, "problem_id,cluster,num_samples,num_correct\na,x,4,1\nb,x,4,1\n").unwrap();
    refuses(&format!("coverage {}", one.display()), &["clusters", "at least two"]);
}

#[test]
fn one_exponent_for_all_is_tested() {
    let dir = tempfile::tempdir().unwrap();
    let group = |name: &str, beta: f64, seed: u32| {
        let path = dir.path().join(format!("{name}.csv"));
        let path = drawn(&path, &format!("--beta 3,{beta} --problems 200 --attempts 200 --seed {seed} --model {name}"));
        let text = fs::read_to_string(&path).unwrap().replace(&format!("beta 3 {beta}"), "bench");
        fs::write(&path, text).unwrap();
        path
    };
    let files_of = [("step1", 0.3), ("step2", 0.3), ("step3", 0.9)];
    let paths: Vec<String> = files_of.iter().zip(1..).map(|((name, beta), seed)| group(name, *beta, seed)).collect();
    let out = dir.path().join("out");
    let all = format!("fit {} --law beta-binomial", paths.join(" "));
    let text = succeeds(&format!("{all} --out {}", out.display()));
    assert!(text.contains("beta of beta-binomial across groups on bench"), "{text}");
    assert!(text.contains("One exponent for all") && text.contains("is refuted: likelihood ratio"), "{text}");
    assert!(files(&out).iter().any(|(path, _)| path.ends_with("figures/tails.svg")));
    let across = &json(&all)[0]["across_groups"];
    assert_eq!((&across["freedom"], across["p_value"].as_f64().unwrap() < 1e-3), (&2.into(), true), "{across}");
    let two = &json(&format!("fit {} --law beta-binomial", paths[..2].join(" ")))[0]["across_groups"];
    assert!(two["p_value"].as_f64().unwrap() > 0.001, "{two}");
    assert!(json(&format!("fit {} --law beta-binomial", paths[0]))[0]["across_groups"].is_null());
    // The other convention calls it alpha.
    let text = succeeds(&format!("{all} --convention success"));
    assert!(text.contains("alpha of beta-binomial across groups"), "{text}");
}

/// A law is evaluated as it is given, with counts or without.
#[test]
fn given_laws_are_evaluated() {
    let law = "beta-binomial:alpha=4,beta=0.5";
    let at = |said: &Value, i: usize| said["points"][i]["value"].as_f64().unwrap();
    let said = json(&format!("forecast --law-at {law} --law-at zero-inflated:A=0.5,alpha=4,beta=0.5 --k 1,1e6"));
    assert!((at(&said[0], 0) - 0.5 / 4.5).abs() < 1e-12);
    assert!((at(&said[1], 1) / at(&said[0], 1) - 0.5).abs() < 1e-9, "{said:?}");
    let dir = tempfile::tempdir().unwrap();
    let path = drawn(&dir.path().join("c.csv"), "--beta 4,0.5 --problems 60 --attempts 50");
    let rows = json(&format!("forecast {path} --k 1,1e6 --law beta-binomial --law-at {law}"));
    let given = rows.iter().find(|row| row["method"] == "given: beta-binomial alpha 4 beta 0.5").unwrap();
    assert_eq!(at(given, 1), at(&said[0], 1));
    assert!(succeeds(&format!("forecast --law-at {law} --k 10")).contains("given: beta-binomial alpha 4 beta 0.5"));
    refuses("forecast --law-at beta-binomial:alpha=4 --k 1", &["beta of the law beta-binomial"]);
    refuses("forecast --law-at gauss --k 1", &["gauss"]);
    refuses("forecast --k 1", &["FILE"]);
}

/// One attempt after the other solves no fewer than the same attempts settled beforehand, at every cost.
#[test]
fn policies_are_compared_at_every_cost() {
    let dir = tempfile::tempdir().unwrap();
    let path = drawn(&dir.path().join("c.csv"), "--beta 4,0.5 --problems 100 --attempts 20");
    let out = dir.path().join("out");
    let price = "--prompt-tokens 1 --decode-tokens 1 --flops-per-token 1";
    let text = succeeds(&format!("cost {path} {price} --budget 1000 --out {}", out.display()));
    assert!(text.contains("One attempt after the other"), "{text}");
    let read = |name: &str| {
        let mut csv = csv::Reader::from_path(out.join(name)).unwrap();
        csv.records().map(Result::unwrap).collect::<Vec<_>>()
    };
    let policy = read("policy.csv");
    assert!(policy.len() > 10);
    let number = |row: &csv::StringRecord, i: usize| row[i].parse::<f64>().unwrap();
    let mut before = 0.0;
    for row in &policy {
        let [sequential, allotted, even] = [4, 5, 6].map(|i| number(row, i));
        assert!(sequential >= allotted * 0.98 - 0.1 && allotted >= even - 1e-6, "{row:?}");
        assert!(sequential >= before - 1e-9, "{row:?}");
        before = sequential;
    }
    let allocation = read("allocation.csv");
    assert_eq!(allocation.len(), 100);
    assert!(allocation.iter().any(|row| number(row, 4) > number(row, 3)), "a success saves attempts");
    assert!(files(&out).iter().any(|(path, _)| path.ends_with("figures/policy.svg")));
    let said = &json(&format!("cost {path} {price} --budget 1000"))[0]["budget"]["sequential"];
    assert!(said["gain"].as_f64().unwrap() > 0.0 && said["spent"].as_f64().unwrap() > 0.0, "{said}");
}

/// A list of prices for all models of a file serves a part of them; a price for no model of the file is refused.
#[test]
fn price_lists_serve_a_part_of_the_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("both.csv");
    fs::write(&path, "model,problem_id,num_samples,num_correct\nA,p,9,3\nA,q,9,1\nB,p,9,5\nB,q,9,0\n").unwrap();
    let path = path.display();
    let cost =
        |list: &str| format!("cost {path} --group A --prompt-tokens 1 --decode-tokens 1 --flops-per-token {list}");
    assert_eq!(json(&cost("A=2,B=5")).len(), 1);
    refuses(&cost("A=2,C=5"), &["flops-per-token", "C", "A", "B"]);
    assert!(retrial(&cost("B=5")).status.code() == Some(2), "A has no price");
}
