//! `sources generate`: an agent's files, listed or written below a folder.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::Calls;
use super::folder::Folder;
use super::safe_path::SafePath;
use super::{Context, Named};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Output, table};

/// What to generate, and where to.
#[derive(Args, Debug)]
pub struct GenerateArgs {
    #[command(flatten)]
    /// Which source.
    named: Named,
    /// What the files are made from
    #[arg(long, value_name = "NAME", default_value = "support-ticket-agent", value_parser = NonEmptyStringValueParser::new())]
    template: String,
    /// What the capability is named below
    #[arg(long, value_name = "NAME", default_value = "support", value_parser = NonEmptyStringValueParser::new())]
    namespace: String,
    /// Folder that the files are written below; made where it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Overwrite files that are there
    #[arg(long, requires = "out")]
    force: bool,
}

/// The answer, as far as it is needed here.
#[derive(Debug, Deserialize)]
struct Generated {
    #[serde(default)]
    source_id: Value,
    #[serde(default)]
    capability: Value,
    files: Vec<GeneratedFile>,
}

#[derive(Debug, Deserialize)]
struct GeneratedFile {
    path: String,
    contents: String,
}

/// Generates an agent's files.
///
/// # Errors
/// `UNSAFE_PATH` and `FILE_EXISTS` before a file is written, `CONTROL_PLANE_UNEXPECTED_ANSWER`, `IO`, and those of the calls.
pub fn run(context: &Context<'_>, args: &GenerateArgs) -> Result<Exit, Error> {
    let mut calls = Calls::open(context)?;
    let id = calls.id_of(&args.named.source)?;
    let (template, namespace) = (Some(args.template.as_str()), Some(args.namespace.as_str()));
    let whole =
        calls.ask(|client, key| client.generate_from_source(key, &id, template, namespace))?;
    let answer = calls.read(&whole)?;
    let output = context.output;
    if args.out.is_none() && !output.is_human() {
        output.emit(&answer);
        return Ok(Exit::Success);
    }
    let generated: Generated = serde_json::from_value(answer).map_err(|_| {
        Error::UnexpectedAnswer("the answer has no array of files with path and contents".into())
    })?;
    match &args.out {
        Some(out) => {
            write(out, &generated.files, args.force)?;
            generated.print_written(output, out);
        }
        None => generated.print_list(output),
    }
    Ok(Exit::Success)
}

impl Generated {
    fn print_list(&self, output: Output) {
        output.line(&format!(
            "{}: {} file(s); --out DIR writes them.",
            table::printable(&table::cell(Some(&self.capability))),
            self.files.len()
        ));
        output.line(&self.table());
    }

    fn print_written(&self, output: Output, out: &Path) {
        let file =
            |file: &GeneratedFile| json!({ "path": file.path, "bytes": file.contents.len() });
        let files: Vec<Value> = self.files.iter().map(file).collect();
        output.emit(&json!({
            "source_id": self.source_id,
            "capability": self.capability,
            "out": out.to_string_lossy(),
            "files": files,
        }));
        output.say(&format!(
            "{} file(s) written below {}.",
            self.files.len(),
            out.display()
        ));
        if output.is_human() {
            output.line(&self.table());
        }
    }

    fn table(&self) -> String {
        let row = |file: &GeneratedFile| vec![file.path.clone(), file.contents.len().to_string()];
        table::of(&["PATH", "BYTES"], self.files.iter().map(row))
    }
}

/// Writes all files, or, when one of them can't be, none.
fn write(out: &Path, files: &[GeneratedFile], force: bool) -> Result<(), Error> {
    let paths = safe_paths(files)?;
    for path in &paths {
        check_place(out, path, force)?;
    }
    let trouble = |error| Error::Io(out.display().to_string(), error);
    let root = Folder::open(out).map_err(trouble)?;
    for (path, file) in paths.iter().zip(files) {
        write_one(&root, path, &file.contents, force).map_err(|error| failure(path, error))?;
    }
    Ok(())
}

/// The files' paths; none twice, and none that another one needs as a folder.
fn safe_paths(files: &[GeneratedFile]) -> Result<Vec<SafePath>, Error> {
    let mut paths: Vec<SafePath> = Vec::new();
    for file in files {
        let path =
            SafePath::parse(&file.path).map_err(|fault| refusal(&file.path, &fault.to_string()))?;
        paths.push(path);
    }
    let mut named = HashSet::new();
    if let Some(path) = paths.iter().find(|path| !named.insert(path.as_str())) {
        return Err(refusal(path.as_str(), "is named twice"));
    }
    let mut folders = paths.iter().flat_map(SafePath::folders);
    if let Some(folder) = folders.find(|folder| named.contains(folder)) {
        return Err(refusal(folder, "is both a file and a folder"));
    }
    drop(folders);
    Ok(paths)
}

/// Looks at what is there already, before anything is written: folders on the way must be folders, and not links to some.
fn check_place(out: &Path, path: &SafePath, force: bool) -> Result<(), Error> {
    for folder in path.folders() {
        match look(&out.join(folder))? {
            None => return Ok(()),
            Some(found) if found.is_dir() => {}
            Some(_) => {
                return Err(refusal(
                    folder,
                    "is there, and is not a folder, or is a link",
                ));
            }
        }
    }
    match look(&out.join(path.as_str()))? {
        None => Ok(()),
        Some(found) if !found.is_file() => Err(refusal(
            path.as_str(),
            "is there, and is not an ordinary file",
        )),
        Some(_) if force => Ok(()),
        Some(_) => Err(Error::FileExists(path.to_string())),
    }
}

/// What is at this path itself, links not followed.
fn look(path: &Path) -> Result<Option<fs::FileType>, Error> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found.file_type())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::Io(path.display().to_string(), error)),
    }
}

fn write_one(root: &Folder, path: &SafePath, contents: &str, force: bool) -> io::Result<()> {
    let (folders, name) = path.parts();
    let mut inner = None;
    for folder in folders {
        inner = Some(inner.as_ref().unwrap_or(root).enter(folder)?);
    }
    let folder = inner.as_ref().unwrap_or(root);
    if force {
        folder.remove(name)?;
    }
    folder.create(name, contents.as_bytes())
}

/// Somebody may have put something there since it was looked at.
fn failure(path: &SafePath, error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(libc::ELOOP | libc::ENOTDIR) => refusal(path.as_str(), "leads over a link or a file"),
        Some(libc::EEXIST) => Error::FileExists(path.to_string()),
        _ => Error::Io(path.to_string(), error),
    }
}

/// The path is a server's: shown with what is not printable escaped, and no more of it than needed.
fn refusal(path: &str, why: &str) -> Error {
    let start: String = path.chars().take(100).collect();
    Error::UnsafePath(format!("the generated path {start:?} {why}"))
}
