//! Local folders as the service wants them: which files belong to an upload (`.amlignore`, else `.gitignore`) and the hashes that
//! name it. Files are read once, in a stream. It knows no schema and no destination.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use sha2::{Digest, Sha256};

use super::Files;
use super::plan::LocalFile;

/// Deeper than any source tree: a folder that is linked into itself.
const DEPTH_LIMIT: usize = 64;

/// Which patterns leave files out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ignoring {
    /// The ignore file at the root of the folder.
    IgnoreFile,
    /// The same and `__pycache__`: the code of components.
    Component,
}

/// Patterns of one ignore file. Unlike git's, the last pattern that matches a path or a folder above it decides, so a file can
/// come back out of an ignored folder; that is what the SDK's `pathspec` does.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Gitignore>);

impl Patterns {
    pub(super) fn of_folder(
        files: &dyn Files,
        folder: &Path,
        ignoring: Ignoring,
    ) -> io::Result<Self> {
        let mut text = String::new();
        for name in [".amlignore", ".gitignore"] {
            match files.read(&folder.join(name)) {
                Ok(bytes) => {
                    text = String::from_utf8_lossy(&bytes).into_owned();
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self::parse(&text, ignoring))
    }

    pub(super) fn parse(text: &str, ignoring: Ignoring) -> Self {
        let own = (ignoring == Ignoring::Component).then_some("__pycache__");
        let lines = text
            .trim_start_matches('\u{feff}')
            .lines()
            .map(str::trim_end)
            .chain(own);
        let compiled = lines.filter_map(|line| {
            let mut builder = GitignoreBuilder::new("");
            builder.add_line(None, line).ok()?;
            builder.build().ok().filter(|built| !built.is_empty())
        });
        Self(compiled.collect())
    }

    /// `relative` is taken for a file even when it is a folder, as the SDK does: `build/` leaves out what is in `build`.
    pub(super) fn exclude(&self, relative: &str) -> bool {
        let mut excluded = false;
        for pattern in &self.0 {
            let mut path = Path::new(relative);
            let mut is_folder = false;
            loop {
                match pattern.matched(path, is_folder) {
                    Match::Ignore(_) => excluded = true,
                    Match::Whitelist(_) => excluded = false,
                    Match::None => {
                        if let Some(parent) = path
                            .parent()
                            .filter(|parent| !parent.as_os_str().is_empty())
                        {
                            (path, is_folder) = (parent, true);
                            continue;
                        }
                    }
                }
                break;
            }
        }
        excluded
    }
}

/// All files of a folder, ignored ones left out, sorted as the content hash wants them.
pub(super) fn list(
    files: &dyn Files,
    root: &Path,
    patterns: &Patterns,
) -> io::Result<Vec<LocalFile>> {
    let mut found = Vec::new();
    walk(files, root, "", patterns, 0, &mut found)?;
    sort(&mut found);
    Ok(found)
}

pub(super) fn sort(files: &mut [LocalFile]) {
    files.sort_by_cached_key(|file| (file.relative.to_lowercase(), file.relative.clone()));
}

fn walk(
    files: &dyn Files,
    folder: &Path,
    prefix: &str,
    patterns: &Patterns,
    depth: usize,
    found: &mut Vec<LocalFile>,
) -> io::Result<()> {
    too_deep(depth, folder)?;
    for name in files.list(folder)? {
        let path = folder.join(&name);
        let relative = format!("{prefix}{name}");
        let metadata = files
            .metadata(&path)
            .map_err(|error| naming(&path, &error))?;
        if metadata.is_folder {
            walk(
                files,
                &path,
                &format!("{relative}/"),
                patterns,
                depth + 1,
                found,
            )?;
        } else if !patterns.exclude(&relative) {
            found.push(LocalFile {
                path,
                relative,
                size: metadata.size,
            });
        }
    }
    Ok(())
}

fn too_deep(depth: usize, folder: &Path) -> io::Result<()> {
    if depth > DEPTH_LIMIT {
        let message = format!(
            "{} is nested too deeply; is a folder linked into itself?",
            folder.display()
        );
        return Err(io::Error::other(message));
    }
    Ok(())
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// The content hash, version 202208: count, then `#name#size` of every file, then all contents.
pub(super) fn content_hash(files: &dyn Files, list: &[LocalFile]) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(list.len().to_string());
    for file in list {
        hash.update(format!("#{}#{}", file.relative, file.size));
    }
    for file in list {
        read_into(files, &file.path, &mut hash)?;
    }
    Ok(hex::encode(hash.finalize()))
}

/// The object hash: the `<hash>` of `LocalUpload/<hash>/..`.
pub(super) fn object_hash(
    files: &dyn Files,
    path: &Path,
    is_folder: bool,
    patterns: &Patterns,
) -> io::Result<String> {
    let mut hash = Sha256::new();
    hash.update(b"Initialize for october 2021 AML CLI version");
    if is_folder {
        hash_folder(files, path, "", patterns, 0, &mut hash)?;
    } else {
        read_into(files, path, &mut hash)?;
    }
    Ok(hex::encode(hash.finalize()))
}

fn hash_folder(
    files: &dyn Files,
    folder: &Path,
    prefix: &str,
    patterns: &Patterns,
    depth: usize,
    hash: &mut Sha256,
) -> io::Result<()> {
    too_deep(depth, folder)?;
    let mut names = files.list(folder)?;
    names.sort_by_cached_key(|name| (name.to_lowercase(), name.clone()));
    for name in names {
        let relative = format!("{prefix}{name}");
        if patterns.exclude(&relative) {
            continue;
        }
        hash.update(&name);
        let path = folder.join(&name);
        if files
            .metadata(&path)
            .map_err(|error| naming(&path, &error))?
            .is_folder
        {
            hash_folder(
                files,
                &path,
                &format!("{relative}/"),
                patterns,
                depth + 1,
                hash,
            )?;
        } else {
            read_into(files, &path, hash)?;
        }
    }
    Ok(())
}

fn read_into(files: &dyn Files, path: &Path, hash: &mut Sha256) -> io::Result<()> {
    let mut reader = files.open(path).map_err(|error| naming(path, &error))?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => hash.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(naming(path, &error)),
        }
    }
}

/// Several sources merged into one folder, each under a name of its own or spread at the root (the code itself). Ignore files of
/// every folder on the way count here, as they do when the SDK copies.
#[derive(Debug, Default)]
pub(super) struct Merged {
    files: Vec<LocalFile>,
}

impl Merged {
    pub(super) fn add_file(
        &mut self,
        files: &dyn Files,
        path: &Path,
        relative: String,
    ) -> io::Result<()> {
        let size = files
            .metadata(path)
            .map_err(|error| naming(path, &error))?
            .size;
        self.files.retain(|file| file.relative != relative);
        self.files.push(LocalFile {
            path: path.to_owned(),
            relative,
            size,
        });
        Ok(())
    }

    /// `at` ends with `/` or is empty.
    pub(super) fn add_folder(
        &mut self,
        files: &dyn Files,
        folder: &Path,
        at: &str,
    ) -> io::Result<()> {
        let own = Patterns::of_folder(files, folder, Ignoring::Component)?;
        let mut above = vec![(folder.to_owned(), own)];
        self.copy(files, folder, at, &mut above)
    }

    fn copy(
        &mut self,
        files: &dyn Files,
        folder: &Path,
        at: &str,
        above: &mut Vec<(PathBuf, Patterns)>,
    ) -> io::Result<()> {
        too_deep(above.len(), folder)?;
        for name in files.list(folder)? {
            let path = folder.join(&name);
            let excluded = above.iter().any(|(base, patterns)| {
                let relative = path.strip_prefix(base).unwrap_or(&path);
                patterns.exclude(&relative.to_string_lossy())
            });
            if excluded {
                continue;
            }
            if files
                .metadata(&path)
                .map_err(|error| naming(&path, &error))?
                .is_folder
            {
                above.push((
                    path.clone(),
                    Patterns::of_folder(files, &path, Ignoring::Component)?,
                ));
                self.copy(files, &path, &format!("{at}{name}/"), above)?;
                above.pop();
            } else {
                self.add_file(files, &path, format!("{at}{name}"))?;
            }
        }
        Ok(())
    }

    /// The files of the merged folder, its own ignore file applied.
    pub(super) fn finish(mut self, files: &dyn Files) -> io::Result<Vec<LocalFile>> {
        let root = |name: &str| self.files.iter().find(|file| file.relative == name);
        let text = match root(".amlignore").or_else(|| root(".gitignore")) {
            Some(file) => String::from_utf8_lossy(&files.read(&file.path)?).into_owned(),
            None => String::new(),
        };
        let patterns = Patterns::parse(&text, Ignoring::Component);
        self.files.retain(|file| !patterns.exclude(&file.relative));
        sort(&mut self.files);
        Ok(self.files)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::spec::LocalFiles;

    fn folder(entries: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in entries {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn content(folder: &Path, ignoring: Ignoring) -> String {
        let patterns = Patterns::of_folder(&LocalFiles, folder, ignoring).unwrap();
        content_hash(&LocalFiles, &list(&LocalFiles, folder, &patterns).unwrap()).unwrap()
    }

    fn object(path: &Path, is_folder: bool) -> String {
        let patterns =
            Patterns::of_folder(&LocalFiles, path, Ignoring::IgnoreFile).unwrap_or_default();
        object_hash(&LocalFiles, path, is_folder, &patterns).unwrap()
    }

    #[test]
    fn the_content_hash_meets_the_vectors_of_the_sdk() {
        let two = folder(&[("a.txt", "hello"), ("B/c.py", "print(1)\n")]);
        assert_eq!(
            content(two.path(), Ignoring::IgnoreFile),
            "81c96e4ab2e9dcea4ffb6573c0d5fe369910113470efb8f44649ad71e1db65d3"
        );
        let one = folder(&[("code.txt", "hello world")]);
        assert_eq!(
            content(one.path(), Ignoring::IgnoreFile),
            "49eadfeccdc40c46a054f17f07829f9bd5bf4ff0b51fb49f2de9a63d5ddf0098"
        );
    }

    #[test]
    fn the_object_hash_meets_the_vectors_of_the_sdk() {
        let two = folder(&[("a.txt", "hello"), ("B/c.py", "print(1)\n")]);
        assert_eq!(
            object(two.path(), true),
            "748ac55062bef3d803c15b3c5c8e32572fe3d6cac9b39f454fbc31f538cada52"
        );
        assert_eq!(
            object(&two.path().join("a.txt"), false),
            "2f36641079ace713b18105be904211791060541d57cc36f2d3a573d4021ece87"
        );
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let patterns = Patterns::parse(
            "# c\n*.log\n!keep.log\nbuild/\n!build/in.txt\n/top\n**/deep \n",
            Ignoring::Component,
        );
        let excluded = |path: &str| patterns.exclude(path);
        for path in [
            "a.log",
            "x/a.log",
            "build/out.txt",
            "top/a",
            "a/deep/b",
            "x/__pycache__/y.pyc",
        ] {
            assert!(excluded(path), "{path}");
        }
        for path in [
            "keep.log",
            "x/keep.log",
            "build",
            "build/in.txt",
            "x/top",
            "a.txt",
        ] {
            assert!(!excluded(path), "{path}");
        }
    }

    #[test]
    fn amlignore_hides_gitignore_and_component_code_leaves_out_pycache() {
        let folder = folder(&[
            (".amlignore", "skipped.txt\n"),
            (".gitignore", "*.py\n"),
            ("skipped.txt", "s"),
            ("a.py", "a"),
            ("__pycache__/a.pyc", "b"),
        ]);
        let names = |ignoring| {
            let patterns = Patterns::of_folder(&LocalFiles, folder.path(), ignoring).unwrap();
            let listed = list(&LocalFiles, folder.path(), &patterns).unwrap();
            listed
                .into_iter()
                .map(|file| file.relative)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(Ignoring::IgnoreFile),
            [".amlignore", ".gitignore", "__pycache__/a.pyc", "a.py"]
        );
        assert_eq!(
            names(Ignoring::Component),
            [".amlignore", ".gitignore", "a.py"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_a_loop_of_links_ends() {
        let real = folder(&[("x.txt", "x")]);
        let outer = folder(&[("a.txt", "a")]);
        std::os::unix::fs::symlink(real.path(), outer.path().join("linked")).unwrap();
        let listed = list(&LocalFiles, outer.path(), &Patterns::default()).unwrap();
        assert_eq!(
            listed
                .iter()
                .map(|file| file.relative.as_str())
                .collect::<Vec<_>>(),
            ["a.txt", "linked/x.txt"]
        );
        std::os::unix::fs::symlink(outer.path(), outer.path().join("again")).unwrap();
        assert!(list(&LocalFiles, outer.path(), &Patterns::default()).is_err());
    }
}
