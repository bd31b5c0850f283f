//! Paths that a server names: taken only when they lead to a file below a folder of ours on any system.

use std::fmt;

/// The longest part of a path that file systems take, in bytes.
const MAX_PART_BYTES: usize = 255;

/// The longest path that is taken, in bytes.
const MAX_BYTES: usize = 2048;

/// A relative path of plain names, separated by `/`: at least one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SafePath(String);

/// Why a path is refused. The words fit after the path: `"../x" …`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// `/…`
    #[error("is absolute")]
    Absolute,
    /// `C:…`
    #[error("names a drive")]
    Drive,
    /// `.` or `..`
    #[error("has . or .. in it")]
    Dots,
    /// `a//b`, `a/`
    #[error("has an empty part")]
    EmptyPart,
    /// A separator on other systems.
    #[error("has a backslash in it")]
    Backslash,
    /// NUL, a line break, …
    #[error("has a control character in it")]
    Control,
    /// No file system takes it.
    #[error("is too long")]
    TooLong,
}

impl SafePath {
    /// Takes a path over.
    ///
    /// # Errors
    /// A [`PathFault`] for the first rule that it breaks.
    pub fn parse(path: &str) -> Result<Self, PathFault> {
        if path.is_empty() {
            return Err(PathFault::Empty);
        }
        if path.chars().any(char::is_control) {
            return Err(PathFault::Control);
        }
        if path.contains('\\') {
            return Err(PathFault::Backslash);
        }
        if path.starts_with('/') {
            return Err(PathFault::Absolute);
        }
        if matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
            return Err(PathFault::Drive);
        }
        path.split('/').try_for_each(check_part)?;
        if path.len() > MAX_BYTES {
            return Err(PathFault::TooLong);
        }
        Ok(SafePath(path.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names of the folders on the way, and the file's.
    pub fn parts(&self) -> (Vec<&str>, &str) {
        let mut folders: Vec<&str> = self.0.split('/').collect();
        let file = folders.pop().unwrap_or_default();
        (folders, file)
    }

    /// The folders on the way, each as a path: `a` and `a/b` for `a/b/c`.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_part(part: &str) -> Result<(), PathFault> {
    match part {
        "" => Err(PathFault::EmptyPart),
        "." | ".." => Err(PathFault::Dots),
        part if part.len() > MAX_PART_BYTES => Err(PathFault::TooLong),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_plain_names_is_taken() {
        for path in [
            "a",
            "support/README.md",
            "a/b/c.d",
            ".env",
            "...",
            "a b/ü",
            "ab:c",
        ] {
            assert_eq!(
                SafePath::parse(path).map(|p| p.as_str().to_owned()),
                Ok(path.to_owned())
            );
        }
        let path = SafePath::parse("a/b/c").ok();
        let path = path
            .as_ref()
            .map(|p| (p.parts(), p.folders().collect::<Vec<_>>()));
        assert_eq!(path, Some(((vec!["a", "b"], "c"), vec!["a", "a/b"])));
    }

    #[test]
    fn every_way_out_is_refused_with_its_reason() {
        let cases = [
            ("", PathFault::Empty),
            ("/etc/passwd", PathFault::Absolute),
            ("//host/share", PathFault::Absolute),
            ("C:/x", PathFault::Drive),
            ("c:x", PathFault::Drive),
            ("..", PathFault::Dots),
            ("../x", PathFault::Dots),
            ("a/../../x", PathFault::Dots),
            ("a/..", PathFault::Dots),
            ("./x", PathFault::Dots),
            ("a//b", PathFault::EmptyPart),
            ("a/", PathFault::EmptyPart),
            ("..\\x", PathFault::Backslash),
            ("\\\\host\\x", PathFault::Backslash),
            ("a\0b", PathFault::Control),
            ("a\nb", PathFault::Control),
            ("a\u{9b}b", PathFault::Control),
        ];
        for (path, fault) in cases {
            assert_eq!(SafePath::parse(path).err(), Some(fault), "{path:?}");
        }
        assert_eq!(
            SafePath::parse(&"x".repeat(256)).err(),
            Some(PathFault::TooLong)
        );
        assert_eq!(
            SafePath::parse(&"x/".repeat(2000)).err(),
            Some(PathFault::EmptyPart)
        );
        let deep = format!("{}x", "x/".repeat(2000));
        assert_eq!(SafePath::parse(&deep).err(), Some(PathFault::TooLong));
    }
}
