//! What is to be written, before anything is: [`Plan`] is made from the trees of a commit, within the limits, with links resolved.

use super::names::{self, DEPTH_MAX, PATH_MAX, Verdict};
use super::objects::{Entry, Kind, Objects, Trouble};
use super::revision::ObjectId;
use super::{GitError, Limits};
use crate::digest::Digest;
use crate::excerpt::line;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Bytes of all trees that are looked at, so that a repository of folders can't take all memory.
const TREES_MAX: u64 = 64 << 20;

/// Bytes of what a link leads to.
const TARGET_MAX: u64 = 4096;

/// Links that are followed one after the other, as in most systems.
const LINKS_MAX: u32 = 40;

/// Notes that are told one by one.
const NOTES_MAX: usize = 20;

/// A directory or a file to be written; a directory comes before what is in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planned {
    /// Parts joined by `/`.
    pub(super) path: String,
    /// `None`: a directory.
    pub(super) file: Option<(ObjectId, bool)>,
}

/// All that is to be written.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) items: Vec<Planned>,
    pub(super) files: u64,
    /// The tree, or a digest of what is written if links make that something else.
    pub(super) tree: String,
    pub(super) notes: Vec<String>,
    notes_dropped: usize,
    has_links: bool,
}

/// What a path leads to.
enum Found {
    Directory(Place),
    File(ObjectId, bool),
    /// Nothing, or a loop.
    Nothing,
    Outside,
    Submodule,
}

/// A folder of the repository: the parts of its real path, and the tree at each, from the root to itself.
#[derive(Clone)]
struct Place {
    parts: Vec<Vec<u8>>,
    trees: Vec<ObjectId>,
}

impl Place {
    fn root(tree: ObjectId) -> Self {
        Self { parts: Vec::new(), trees: vec![tree] }
    }

    fn tree(&self) -> Option<&ObjectId> {
        self.trees.last()
    }

    fn enter(&mut self, name: &[u8], tree: ObjectId) {
        self.parts.push(name.to_owned());
        self.trees.push(tree);
    }

    /// Whether there was a folder above.
    fn leave(&mut self) -> bool {
        let has_parent = self.parts.pop().is_some();
        if has_parent {
            self.trees.pop();
        }
        has_parent
    }
}

/// Makes a [`Plan`].
pub(super) struct Planner<'a> {
    objects: &'a mut Objects,
    limits: Limits,
    root: Place,
    trees: HashMap<String, Arc<Vec<Entry>>>,
    tree_bytes: u64,
    plan: Plan,
    /// The real paths of the folders that are being written.
    open: Vec<Vec<Vec<u8>>>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(objects: &'a mut Objects, root: ObjectId, limits: Limits) -> Self {
        Self {
            objects,
            limits,
            root: Place::root(root),
            trees: HashMap::new(),
            tree_bytes: 0,
            plan: Plan::default(),
            open: Vec::new(),
        }
    }

    /// What is in this folder.
    pub(super) fn plan(mut self, folder: &[String]) -> Result<Plan, Trouble> {
        let shown = || line(&folder.join("/"), 200);
        let place = match self.resolve(&self.root.clone(), folder.join("/").as_bytes())? {
            Found::Directory(place) => place,
            Found::File(..) => {
                let text = format!("`{}` is a file, not a folder", shown());
                return Err(GitError::Invalid(text).into());
            }
            Found::Nothing => {
                let text = format!("there is no folder `{}` in this revision", shown());
                return Err(GitError::NotFound(text).into());
            }
            Found::Outside => {
                let text = format!("`{}` is a link that leads out of the repository", shown());
                return Err(GitError::Failed(text).into());
            }
            Found::Submodule => {
                let text = format!("`{}` is a submodule; those are not fetched", shown());
                return Err(GitError::NotFound(text).into());
            }
        };
        self.folder(&place, "", 0)?;
        let mut plan = self.plan;
        let tree = place.tree().map(|tree| tree.as_str().to_owned()).unwrap_or_default();
        plan.tree = if plan.has_links { plan.digest() } else { tree };
        if plan.notes_dropped > 0 {
            plan.notes.push(format!("and {} more such notes", plan.notes_dropped));
        }
        Ok(plan)
    }

    fn folder(&mut self, place: &Place, to: &str, depth: usize) -> Result<(), Trouble> {
        let Some(tree) = place.tree() else { return Ok(()) };
        let entries = self.tree(&tree.clone())?;
        self.open.push(place.parts.clone());
        for entry in entries.iter() {
            let name = match names::judge(&entry.name) {
                Verdict::Plain(name) => name,
                Verdict::LeftOut => {
                    let name = String::from_utf8_lossy(&entry.name);
                    self.note(to, &name, "has a name that is no plain text, and was left out");
                    continue;
                }
                Verdict::Refused => {
                    let name = join(to, &String::from_utf8_lossy(&entry.name));
                    let text =
                        format!("the repository has a file of the name `{}`", line(&name, 200));
                    return Err(GitError::Failed(text).into());
                }
            };
            self.entry(place, to, name, entry, depth)?;
        }
        self.open.pop();
        Ok(())
    }

    fn entry(
        &mut self,
        place: &Place,
        to: &str,
        name: &str,
        entry: &Entry,
        depth: usize,
    ) -> Result<(), Trouble> {
        match entry.kind {
            Kind::Directory => {
                let mut inner = place.clone();
                inner.enter(&entry.name, entry.id.clone());
                self.directory(&inner, join(to, name), depth)
            }
            Kind::File { is_executable } => {
                self.add(join(to, name), Some((entry.id.clone(), is_executable)))
            }
            Kind::Link => self.link(place, to, name, entry, depth),
            Kind::Submodule => {
                self.note(to, name, "is a submodule, and was left out");
                Ok(())
            }
        }
    }

    fn directory(&mut self, place: &Place, to: String, depth: usize) -> Result<(), Trouble> {
        if depth + 1 > DEPTH_MAX {
            let text = format!("the repository has folders more than {DEPTH_MAX} deep");
            return Err(GitError::TooLarge(text).into());
        }
        self.add(to.clone(), None)?;
        self.folder(place, &to, depth + 1)
    }

    /// A link becomes a copy of what it leads to.
    fn link(
        &mut self,
        place: &Place,
        to: &str,
        name: &str,
        entry: &Entry,
        depth: usize,
    ) -> Result<(), Trouble> {
        self.plan.has_links = true;
        let (_, target) = self.objects.read(&entry.id, TARGET_MAX)?;
        match self.resolve(place, &target)? {
            Found::Directory(found) if self.open.contains(&found.parts) => {
                self.note(to, name, "is a link to a folder that contains it, and was left out");
            }
            Found::Directory(found) => {
                self.note(to, name, "is a link, and became a copy of the folder that it leads to");
                return self.directory(&found, join(to, name), depth);
            }
            Found::File(id, is_executable) => {
                return self.add(join(to, name), Some((id, is_executable)));
            }
            Found::Nothing => {
                self.note(to, name, "is a link that leads to nothing, and was left out")
            }
            // SECURITY: walls::sources::links_that_lead_out_are_refused
            Found::Outside => {
                let (link, target) = (join(to, name), String::from_utf8_lossy(&target));
                let text = format!(
                    "`{}` is a link that leads out of the repository, to `{}`",
                    line(&link, 200),
                    line(&target, 200)
                );
                return Err(GitError::Failed(text).into());
            }
            Found::Submodule => self.note(to, name, "is a link into a submodule, and was left out"),
        }
        Ok(())
    }

    /// Where a path leads, from a folder.
    fn resolve(&mut self, from: &Place, path: &[u8]) -> Result<Found, Trouble> {
        let mut place = from.clone();
        let mut links = 0;
        if path.starts_with(b"/") {
            return Ok(Found::Outside);
        }
        let parts = |path: &[u8]| path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        let mut rest: VecDeque<Vec<u8>> = parts(path);
        while let Some(part) = rest.pop_front() {
            match part.as_slice() {
                b"" | b"." => continue,
                b".." if place.leave() => continue,
                b".." => return Ok(Found::Outside),
                _ => {}
            }
            let Some(tree) = place.tree().cloned() else { return Ok(Found::Nothing) };
            let entries = self.tree(&tree)?;
            let Some(entry) = entries.iter().find(|entry| entry.name == part) else {
                return Ok(Found::Nothing);
            };
            match entry.kind {
                Kind::Directory if place.parts.len() >= 2 * DEPTH_MAX => return Ok(Found::Nothing),
                Kind::Directory => place.enter(&part, entry.id.clone()),
                Kind::File { is_executable } if rest.is_empty() => {
                    return Ok(Found::File(entry.id.clone(), is_executable));
                }
                Kind::File { .. } => return Ok(Found::Nothing),
                Kind::Link => {
                    links += 1;
                    // SECURITY: walls::sources::links_in_loops_and_chains_end
                    if links > LINKS_MAX {
                        return Ok(Found::Nothing);
                    }
                    let (_, target) = self.objects.read(&entry.id, TARGET_MAX)?;
                    if target.starts_with(b"/") {
                        return Ok(Found::Outside);
                    }
                    let mut all: VecDeque<Vec<u8>> = parts(&target);
                    all.append(&mut rest);
                    rest = all;
                }
                Kind::Submodule => return Ok(Found::Submodule),
            }
        }
        Ok(Found::Directory(place))
    }

    fn tree(&mut self, id: &ObjectId) -> Result<Arc<Vec<Entry>>, Trouble> {
        if let Some(entries) = self.trees.get(id.as_str()) {
            return Ok(Arc::clone(entries));
        }
        let (entries, bytes) = self.objects.tree(id)?;
        self.tree_bytes += bytes;
        if self.tree_bytes > TREES_MAX {
            let text = "the repository has more folders than can be looked at";
            return Err(GitError::TooLarge(text.to_owned()).into());
        }
        let entries = Arc::new(entries);
        self.trees.insert(id.as_str().to_owned(), Arc::clone(&entries));
        Ok(entries)
    }

    fn add(&mut self, path: String, file: Option<(ObjectId, bool)>) -> Result<(), Trouble> {
        if path.len() > PATH_MAX {
            let text = format!("the repository has a path of more than {PATH_MAX} bytes");
            return Err(GitError::TooLarge(text).into());
        }
        self.plan.files += u64::from(file.is_some());
        self.plan.items.push(Planned { path, file });
        let count = u64::try_from(self.plan.items.len()).unwrap_or(u64::MAX);
        // SECURITY: walls::sources::a_bomb_of_folders_is_refused
        if count > self.limits.files {
            let text = format!("there are more than {} files and folders", self.limits.files);
            return Err(GitError::TooLarge(text).into());
        }
        Ok(())
    }

    fn note(&mut self, to: &str, name: &str, what: &str) {
        if self.plan.notes.len() < NOTES_MAX {
            self.plan.notes.push(format!("`{}` {what}", line(&join(to, name), 200)));
        } else {
            self.plan.notes_dropped += 1;
        }
    }
}

impl Plan {
    /// The same paths with the same content, the same digest.
    fn digest(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            let (id, mode) = match &item.file {
                None => ("", "d"),
                Some((id, true)) => (id.as_str(), "x"),
                Some((id, false)) => (id.as_str(), "f"),
            };
            for part in [mode, id, &item.path] {
                text.push_str(part);
                text.push('\0');
            }
        }
        Digest::of(text.as_bytes()).to_string()
    }
}

fn join(to: &str, name: &str) -> String {
    if to.is_empty() { name.to_owned() } else { format!("{to}/{name}") }
}
