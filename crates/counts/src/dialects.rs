//! What the tables of evaluation harnesses call their columns: rows are theirs, and need no flag.

use crate::{Column, Columns};

/// A table whose rows are known by the names in it.
pub(crate) struct Dialect {
    /// Whose tables they are.
    pub name: &'static str,
    /// What is recognised, in a line of help.
    pub about: &'static str,
    /// Names that are all there.
    needs: &'static [&'static str],
    /// What they call what, the first name that is there; a name that ends in `*` is the beginning of one.
    columns: &'static [(Column, &'static [&'static str])],
}

/// Every dialect, the more demanding first.
pub(crate) const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "lm-evaluation-harness",
        about: "samples_*.jsonl (doc_id, filter, a metric; filters are benchmarks, repeats attempts)",
        needs: &["doc_id", "filter"],
        columns: &[
            (Column::Problem, &["doc_id"]),
            (Column::Benchmark, &["filter"]),
            (Column::Success, &["exact_match", "acc", "pass@1", "pass_at_1", "correct", "em", "score"]),
        ],
    },
    Dialect {
        name: "human-eval, bigcode",
        about: "results.jsonl (task_id, passed)",
        needs: &["task_id", "passed"],
        columns: &[
            (Column::Problem, &["task_id"]),
            (Column::Success, &["passed"]),
            (Column::Attempt, &["completion_id", "sample_id"]),
        ],
    },
    Dialect {
        name: "LiveCodeBench",
        about: "*_eval_all.json (question_id, graded_list)",
        needs: &["question_id", "graded_list"],
        columns: &[(Column::Problem, &["question_id"]), (Column::Success, &["graded_list"])],
    },
    Dialect {
        name: "tau-bench",
        about: "documents of task_id, reward and trial from 0; --threshold 1 where rewards are parts",
        needs: &["task_id", "reward"],
        columns: &[
            (Column::Problem, &["task_id"]),
            (Column::Success, &["reward"]),
            (Column::Attempt, &["trial"]),
            (Column::Benchmark, &["domain", "env"]),
        ],
    },
    Dialect {
        name: "inspect_ai, exported table",
        about: "samples as CSV or Parquet (id, epoch, score_NAME; C is a success)",
        needs: &["id", "epoch", "score_*"],
        columns: &[
            (Column::Problem, &["id"]),
            (Column::Attempt, &["epoch"]),
            (Column::Success, &["score_*"]),
            (Column::Benchmark, &["task_name", "task"]),
        ],
    },
    Dialect {
        name: "large_language_monkeys",
        about: "YAML or JSON with is_corrects, a file a problem",
        needs: &["is_corrects"],
        columns: &[
            (Column::Problem, &["orig_dset_idx", "problem_id", "task_id", "id", "question_id"]),
            (Column::Success, &["is_corrects"]),
            (Column::Benchmark, &["orig_dset_split"]),
        ],
    },
    Dialect {
        name: "any harness",
        about: "a row an attempt with one of id, task_id, question_id, instance_id and one of correct, is_correct, resolved, passed",
        needs: &[],
        columns: &[
            (Column::Problem, &["task_id", "question_id", "instance_id", "sample_id", "problem", "id"]),
            (
                Column::Success,
                &["passed", "is_correct", "correct", "resolved", "graded_list", "is_corrects", "results"],
            ),
            (Column::Attempt, &["trial", "epoch", "attempt_id"]),
            (Column::Model, &["model_name", "model_id"]),
            (Column::Benchmark, &["dataset", "task"]),
        ],
    },
];

impl Columns {
    /// The names for a table that has these: those that were given and the usual ones, where they make a table, or else
    /// those of the first dialect that does.
    pub(crate) fn of_table<'h>(&self, header: &[&'h str]) -> (Self, Option<&'static Dialect>) {
        let has = |columns: &Self, column: Column| header.contains(&columns.name(column));
        let is_table = |columns: &Self| {
            let outcome =
                [Column::Correct, Column::Success, Column::Attempt].iter().any(|&column| has(columns, column));
            has(columns, Column::Problem) && outcome
        };
        if is_table(self) {
            return (self.clone(), None);
        }
        let find = |name: &str| -> Option<&'h str> {
            let is = |title: &&&str| match name.strip_suffix('*') {
                Some(start) => title.starts_with(start),
                None => **title == name,
            };
            header.iter().find(is).copied()
        };
        for dialect in DIALECTS.iter().filter(|dialect| dialect.needs.iter().all(|name| find(name).is_some())) {
            let mut columns = self.clone();
            for (column, names) in dialect.columns {
                if !has(&columns, *column)
                    && !columns.is_renamed(*column)
                    && let Some(name) = names.iter().find_map(|name| find(name))
                {
                    columns.name_it(*column, name);
                }
            }
            if is_table(&columns) {
                return (columns, Some(dialect));
            }
        }
        (self.clone(), None)
    }
}
