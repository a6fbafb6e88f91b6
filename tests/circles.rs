//! No circle of files: whoever reads a crate can begin somewhere, and what a file names never names it back.
//!
//! A file points at the files whose items it names, by `use` or by a path, through re-exports at the file that has the item.
//! A file that declares others (`mod x;`) may name them as it likes: it is their front.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::{Item, UseTree, Visibility, visit::Visit};

/// A module by its path from the root of its crate.
type Module = Vec<String>;

/// A file of a crate.
#[derive(Default)]
struct File {
    children: BTreeSet<String>,
    /// What it calls by names of its own that are those of others, `pub use`.
    exports: BTreeMap<String, Vec<String>>,
    /// Paths that it names, from the root of the crate on.
    paths: Vec<Vec<String>>,
}

/// Collects what a file names.
struct Names<'a> {
    module: &'a Module,
    file: File,
}

impl Names<'_> {
    /// A path from the root of the crate on; `None` where it leads to other crates, or is a name of the file itself.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut base = self.module.clone();
        match first.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                base.pop();
                let above = rest.iter().take_while(|word| *word == "super").count();
                base.truncate(base.len().saturating_sub(above));
                return Some([base, rest[above..].to_vec()].concat());
            }
            child if self.file.children.contains(child) => return Some([base, path.to_vec()].concat()),
            _ => return None,
        }
        Some([base, rest.to_vec()].concat())
    }

    fn uses(&mut self, tree: &UseTree, mut before: Vec<String>, public: bool) {
        let mut name = |path: Vec<String>, called: String| {
            let path: Vec<String> = path.into_iter().filter(|word| word != "self" || public).collect();
            let Some(path) = self.absolute(&path) else { return };
            if public {
                self.file.exports.insert(called, path);
            } else {
                self.file.paths.push(path);
            }
        };
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.uses(&path.tree, before, public);
            }
            UseTree::Name(leaf) => {
                before.push(leaf.ident.to_string());
                name(before, leaf.ident.to_string());
            }
            UseTree::Rename(leaf) => {
                before.push(leaf.ident.to_string());
                name(before, leaf.rename.to_string());
            }
            UseTree::Glob(_) => name(before, "*".into()),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.uses(tree, before.clone(), public)),
        }
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            // Tests may name what they like.
            Item::Mod(inner) if inner.content.is_some() => {}
            Item::Use(item) => self.uses(&item.tree, vec![], !matches!(item.vis, Visibility::Inherited)),
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if words.len() > 1 {
            self.file.paths.extend(self.absolute(&words));
        }
        syn::visit::visit_path(self, path);
    }
}

/// Reads a file and those that it declares, which lie in `folder`.
fn read(path: &Path, folder: &Path, module: &Module, files: &mut BTreeMap<Module, File>) {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let syntax = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let declared = syntax.items.iter().filter_map(|item| match item {
        Item::Mod(inner) if inner.content.is_none() => Some(inner.ident.to_string()),
        _ => None,
    });
    let children: BTreeSet<String> = declared.collect();
    for child in &children {
        let (flat, inside) = (folder.join(format!("{child}.rs")), folder.join(child));
        let path = if flat.exists() { flat } else { inside.join("mod.rs") };
        read(&path, &inside, &[module.clone(), vec![child.clone()]].concat(), files);
    }
    let mut names = Names { module, file: File { children, ..File::default() } };
    names.visit_file(&syntax);
    files.insert(module.clone(), names.file);
}

/// The file that has what a path leads to.
fn resolve(files: &BTreeMap<Module, File>, path: &[String], depth: usize) -> Module {
    let mut module = vec![];
    for (at, word) in path.iter().enumerate() {
        let file = &files[&module];
        if file.children.contains(word) {
            module.push(word.clone());
            continue;
        }
        return match file.exports.get(word) {
            Some(target) if depth < 8 => resolve(files, &[target, &path[at + 1..]].concat(), depth + 1),
            _ => module,
        };
    }
    module
}

/// A circle of the files of a crate, if there is one: files that each point at the next, the last at the first.
fn circle(files: &BTreeMap<Module, File>) -> Option<Vec<Module>> {
    let points = |module: &Module| -> BTreeSet<Module> {
        let targets = files[module].paths.iter().map(|path| resolve(files, path, 0));
        // The root of a crate and every front name what they declare.
        targets.filter(|target| !target.starts_with(module) && !target.is_empty()).collect()
    };
    fn search(
        module: &Module,
        points: &dyn Fn(&Module) -> BTreeSet<Module>,
        way: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> Option<Vec<Module>> {
        if let Some(at) = way.iter().position(|before| before == module) {
            return Some(way[at..].to_vec());
        }
        if done.contains(module) {
            return None;
        }
        way.push(module.clone());
        let found = points(module).iter().find_map(|next| search(next, points, way, done));
        way.pop();
        done.insert(module.clone());
        found
    }
    let mut done = BTreeSet::new();
    files.keys().find_map(|module| search(module, &points, &mut vec![], &mut done))
}

fn crates() -> Vec<PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let members = fs::read_dir(top.join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src/lib.rs"));
    let members = members.filter(|root| root.exists());
    members.chain(["crates/cli/main.rs", "tests/tests.rs", "benches/benches.rs"].map(|root| top.join(root))).collect()
}

#[test]
fn no_files_point_at_each_other_in_a_circle() {
    let mut seen = 0;
    for root in crates() {
        let mut files = BTreeMap::new();
        read(&root, root.parent().unwrap(), &vec![], &mut files);
        seen += files.len();
        if let Some(circle) = circle(&files) {
            let way: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            panic!("{}: {} point at each other in a circle", root.display(), way.join(" -> "));
        }
    }
    assert!(seen > 300, "only {seen} files were read");
}

#[test]
fn a_circle_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::C;\n");
    write("a.rs", "use crate::b::B;\npub struct A(B);\n");
    write("b.rs", "pub struct B;\nfn b() { crate::C::new() }\n");
    let found = |c: &str| {
        write("c.rs", c);
        let mut files = BTreeMap::new();
        read(&folder.path().join("lib.rs"), folder.path(), &vec![], &mut files);
        circle(&files).map(|circle| circle.len())
    };
    assert_eq!(found("pub struct C;\n"), None);
    assert_eq!(found("pub struct C;\nfn c(_: super::a::A) {}\n"), Some(3));
}
