//! One translation in progress: the reader of files, the problems found so far and the plan as it grows. It owns how a local path
//! is found and becomes an upload, and that equal uploads and equal anonymous assets occur once. It knows no schema.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::Files;
use super::component::Known;
use super::draft::Object;
use super::fields::Field;
use super::plan::{
    Destination, Existing, Expectation, FIRST, LocalFile, Plan, Reference, Request, Seal, Target,
    Upload,
};
use super::problem::{Problems, Report};
use super::snapshot::{self, Ignoring, Patterns};
use super::yaml::{self, Node};

pub(super) struct Session<'a> {
    pub(super) files: &'a dyn Files,
    /// Absolute; relative paths of inputs start here.
    pub(super) working_directory: &'a Path,
    pub(super) report: Report,
    plan: Plan,
    /// Uploads that the body in the making mentions by place.
    needs: Vec<usize>,
    /// What was hashed already, by path, patterns and purpose.
    hashed: Vec<(PathBuf, Ignoring, Destination, usize)>,
    /// YAML files that were read already; `None` is one that is no YAML.
    documents: Vec<(PathBuf, Option<Rc<Node>>)>,
    pub(super) components: Known,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// A path that exists.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// As the user wrote it.
    pub(super) written: String,
    /// Absolute, links resolved.
    pub(super) path: PathBuf,
    pub(super) is_folder: bool,
}

impl<'a> Session<'a> {
    pub(super) fn new(files: &'a dyn Files, working_directory: &'a Path) -> Self {
        Self {
            files,
            working_directory,
            report: Report::default(),
            plan: Plan::default(),
            needs: Vec::new(),
            hashed: Vec::new(),
            documents: Vec::new(),
            components: Known::default(),
        }
    }

    pub(super) fn finish(self) -> Result<Plan, Problems> {
        self.report.into_result().map(|()| self.plan)
    }

    /// A YAML file that the document names, read once. `None` after the problem is reported.
    pub(super) fn load(&mut self, field: &Field<'_>, path: &Path) -> Option<Rc<Node>> {
        if let Some((_, known)) = self.documents.iter().find(|(known, _)| known == path) {
            return known.clone();
        }
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.unreadable(field, path, &error);
                return None;
            }
        };
        let shown = path.strip_prefix(self.working_directory).unwrap_or(path);
        let node = match yaml::parse(&bytes, shown) {
            Ok(node) => Some(Rc::new(node)),
            Err(problems) => {
                self.report.extend(problems);
                None
            }
        };
        self.documents.push((path.to_owned(), node.clone()));
        node
    }

    /// The local file or folder that a field names, relative to `base`. `None` after the problem is reported.
    pub(super) fn find(&mut self, field: &Field<'_>, text: &str, base: &Path) -> Option<Found> {
        let wanted = absolute(base, text);
        let found = self.files.canonical(&wanted).and_then(|path| {
            let metadata = self.files.metadata(&path)?;
            Ok((path, metadata.is_folder))
        });
        match found {
            Ok((path, is_folder)) => Some(Found {
                written: field.node.scalar_text().unwrap_or(text).to_owned(),
                path,
                is_folder,
            }),
            Err(error) => {
                self.unreadable(field, &wanted, &error);
                None
            }
        }
    }

    pub(super) fn exists(&self, base: &Path, text: &str) -> bool {
        self.files.metadata(&absolute(base, text)).is_ok()
    }

    fn unreadable(&mut self, field: &Field<'_>, path: &Path, error: &io::Error) {
        let written = field.node.scalar_text().unwrap_or_default();
        let message = if error.kind() == io::ErrorKind::NotFound {
            format!(
                "no file or folder `{written}`: {} does not exist",
                path.display()
            )
        } else {
            format!("`{written}` cannot be read: {}: {error}", path.display())
        };
        field.problem(&mut self.report, message);
    }

    /// The upload of code, by its content hash.
    pub(super) fn upload_code(
        &mut self,
        field: &Field<'_>,
        found: &Found,
        ignoring: Ignoring,
    ) -> Option<usize> {
        self.upload(field, found, ignoring, Destination::Code)
    }

    /// The upload of anything else, below `LocalUpload/<object hash>/` of a datastore.
    pub(super) fn upload_data(
        &mut self,
        field: &Field<'_>,
        found: &Found,
        datastore: &str,
    ) -> Option<usize> {
        let destination = Destination::Datastore {
            name: datastore.to_owned(),
        };
        self.upload(field, found, Ignoring::IgnoreFile, destination)
    }

    fn upload(
        &mut self,
        field: &Field<'_>,
        found: &Found,
        ignoring: Ignoring,
        to: Destination,
    ) -> Option<usize> {
        let known = self.hashed.iter().find(|(path, how, destination, _)| {
            *path == found.path && *how == ignoring && *destination == to
        });
        if let Some((.., index)) = known {
            return Some(*index);
        }
        let (files, hash) = match self.hash(found, ignoring, &to) {
            Ok(hashed) => hashed,
            Err(error) => {
                let written = &found.written;
                field.problem(
                    &mut self.report,
                    format!("`{written}` cannot be uploaded: {error}"),
                );
                return None;
            }
        };
        let index = self.uploaded(field, found, files, hash, to.clone())?;
        self.hashed.push((found.path.clone(), ignoring, to, index));
        Some(index)
    }

    /// Content that was put together from several places.
    pub(super) fn upload_merged(
        &mut self,
        field: &Field<'_>,
        found: &Found,
        files: Vec<LocalFile>,
    ) -> Option<usize> {
        match snapshot::content_hash(self.files, &files) {
            Ok(hash) => self.uploaded(field, found, files, hash, Destination::Code),
            Err(error) => {
                let written = &found.written;
                field.problem(
                    &mut self.report,
                    format!("`{written}` cannot be uploaded: {error}"),
                );
                None
            }
        }
    }

    fn hash(
        &self,
        found: &Found,
        ignoring: Ignoring,
        to: &Destination,
    ) -> io::Result<(Vec<LocalFile>, String)> {
        let path = &found.path;
        let (patterns, list) = if found.is_folder {
            let patterns = Patterns::of_folder(self.files, path, ignoring)?;
            let list = snapshot::list(self.files, path, &patterns)?;
            (patterns, list)
        } else {
            let file = LocalFile {
                path: path.clone(),
                relative: base_name(path),
                size: self.files.metadata(path)?.size,
            };
            (Patterns::default(), vec![file])
        };
        let hash = match to {
            Destination::Code => snapshot::content_hash(self.files, &list)?,
            Destination::Datastore { .. } => {
                snapshot::object_hash(self.files, path, found.is_folder, &patterns)?
            }
        };
        Ok((list, hash))
    }

    fn uploaded(
        &mut self,
        field: &Field<'_>,
        found: &Found,
        files: Vec<LocalFile>,
        hash: String,
        destination: Destination,
    ) -> Option<usize> {
        if files.is_empty() {
            let message = format!(
                "the folder `{}` has no files to upload: {}",
                found.written,
                found.path.display()
            );
            field.problem(&mut self.report, message);
            return None;
        }
        // Equal code is one asset whatever its folder is called; other content keeps its name in storage.
        let same = self.plan.uploads.iter().position(|upload| {
            upload.hash == hash
                && upload.destination == destination
                && (destination == Destination::Code
                    || base_name(&upload.path) == base_name(&found.path))
        });
        Some(same.unwrap_or_else(|| {
            self.plan.uploads.push(Upload {
                written: found.written.clone(),
                path: found.path.clone(),
                is_folder: found.is_folder,
                files,
                hash,
                destination,
            });
            self.plan.uploads.len() - 1
        }))
    }

    pub(super) fn uploads(&self) -> &[Upload] {
        &self.plan.uploads
    }

    /// `LocalUpload/<hash>/<base name>`
    pub(super) fn storage_path(&self, upload: usize) -> String {
        let upload = &self.plan.uploads[upload];
        format!("LocalUpload/{}/{}", upload.hash, base_name(&upload.path))
    }

    /// Adds a write and returns its index. What is planned already under the same name is not planned twice.
    pub(super) fn request(
        &mut self,
        target: Target,
        api_version: &'static str,
        body: Object,
        needs: Vec<usize>,
    ) -> usize {
        let (body, slots) = body.finish();
        let request = Request {
            target,
            api_version,
            body,
            slots,
            needs,
            seal: None,
        };
        // One name is written once: an anonymous asset's name is a hash of what counts in it.
        let same = (self.plan.requests.iter()).position(|known| known.target == request.target);
        same.unwrap_or_else(|| {
            self.plan.requests.push(request);
            self.plan.requests.len() - 1
        })
    }

    /// Lets a request that was added keep a hash of its content.
    pub(super) fn seal(&mut self, request: usize, seal: Seal) {
        if let Some(request) = self.plan.requests.get_mut(request) {
            request.seal = Some(seal);
        }
    }

    /// Whether an anonymous component is there already counts first.
    pub(super) fn look_for_first(&mut self, request: usize) {
        if let Target::Anonymous { version, .. } = &mut self.plan.requests[request].target {
            FIRST.clone_into(version);
        }
    }

    /// Notes that the body in the making mentions an upload's place.
    pub(super) fn need(&mut self, upload: usize) {
        if !self.needs.contains(&upload) {
            self.needs.push(upload);
        }
    }

    pub(super) fn take_needs(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.needs)
    }

    /// A compute that must be there; the first place that names it is the one to point at.
    pub(super) fn expect_compute(&mut self, field: &Field<'_>, name: &str) {
        let resource = Existing::Compute(name.to_owned());
        if !self
            .plan
            .expects
            .iter()
            .any(|known| known.resource == resource)
        {
            self.plan.expects.push(Expectation {
                resource,
                place: field.node.place(),
            });
        }
    }

    /// A reference spelled so that equal things are spelled alike before the service has named them.
    pub(super) fn spell(&self, reference: &Reference) -> String {
        match reference {
            Reference::Code(upload) => format!("code:{}", self.plan.uploads[*upload].hash),
            Reference::Answer(request) => match &self.plan.requests[*request].target {
                Target::Named { collection, name } => {
                    format!("{collection}/{}", name.as_deref().unwrap_or_default())
                }
                Target::Versioned {
                    collection,
                    name,
                    version,
                } => format!("{collection}/{name}/{version:?}"),
                Target::Deployment {
                    endpoints,
                    endpoint,
                    name,
                } => format!("{endpoints}/{endpoint}/deployments/{name}"),
                Target::Anonymous {
                    collection,
                    name,
                    version,
                } => format!("{collection}/{name}/{version}"),
            },
            Reference::Latest { collection, name } => format!("{collection}/{name}@latest"),
            Reference::UploadUri(upload) => self.storage_path(*upload),
            Reference::Workspace
            | Reference::Subscription
            | Reference::ResourceGroup
            | Reference::WorkspaceName
            | Reference::Location
            | Reference::OwnName
            | Reference::VersionOf(_) => format!("{reference:?}"),
        }
    }
}

pub(super) fn base_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// `base/text` without `.` and `..`.
pub(super) fn absolute(base: &Path, text: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in base.join(text).components() {
        match part {
            Component::ParentDir => {
                path.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => path.push(part),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_without_dots() {
        assert_eq!(absolute(Path::new("/a/b"), "../c/./d"), Path::new("/a/c/d"));
        assert_eq!(absolute(Path::new("/a"), "/x/y"), Path::new("/x/y"));
        assert_eq!(absolute(Path::new("/a"), "."), Path::new("/a"));
    }
}
