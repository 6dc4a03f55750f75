//! The folder of a batch, below one of the roots that are allowed.

use std::path::{Path, PathBuf};

use super::{PlanError, invalid};

/// The folder that `source` names, without links. What is not allowed is not
/// looked at aloud: whether it is there is nobody's business.
pub fn source_folder(source: &str, allowed_roots: &[PathBuf]) -> Result<String, PlanError> {
    if source.is_empty() {
        return Err(invalid("source", "missing: the absolute path of a folder on the controller's machine"));
    }
    let path = Path::new(source);
    if !path.is_absolute() {
        return Err(invalid("source", format!("{source:?} is not an absolute path")));
    }
    let allowed = |path: &Path| allowed_roots.iter().any(|root| path.starts_with(root));
    let elsewhere =
        || invalid("source", format!("{source:?} is not below one of the controller's allowed_roots"));
    let path = match path.canonicalize() {
        Ok(path) if allowed(&path) => path,
        Err(error) if nearest(path).is_some_and(|folder| allowed(&folder)) => {
            return Err(invalid("source", format!("folder {source:?}: {error}")));
        }
        Ok(_) | Err(_) => return Err(elsewhere()),
    };
    if !path.is_dir() {
        return Err(invalid("source", format!("{source:?} is no folder")));
    }
    path.into_os_string().into_string().map_err(|_| invalid("source", "its path is not UTF-8"))
}

/// Where the search for a path ended, without links: the last part of it that is
/// there. None if that is a link that leads nowhere.
fn nearest(path: &Path) -> Option<PathBuf> {
    for above in path.ancestors() {
        if let Ok(folder) = above.canonicalize() {
            return Some(folder);
        }
        if above.symlink_metadata().is_ok() {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn what_lies_outside_is_refused_alike_whether_it_is_there_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        fs::create_dir_all(root.join("calls")).unwrap();
        fs::create_dir(folder.path().join("secret")).unwrap();
        symlink("..", root.join("out")).unwrap();
        for name in ["secret", "absent"] {
            symlink(Path::new("..").join(name), root.join(format!("to-{name}"))).unwrap();
        }
        let roots = [root.clone()];
        let refused = |path: String| {
            let source = root.join(path).into_os_string().into_string().unwrap();
            source_folder(&source, &roots).unwrap_err().to_string().replace("secret", "absent")
        };
        for path in ["../NAME", "calls/../../NAME", "out/NAME", "out/NAME/below", "to-NAME", "to-NAME/below"]
        {
            let words = ["secret", "absent"].map(|name| refused(path.replace("NAME", name)));
            assert!(words[0].contains("allowed_roots"), "{words:?}");
            assert_eq!(words[0], words[1]);
        }
        assert!(refused("calls/nowhere".to_owned()).contains("No such file"));
        let calls = root.join("calls").into_os_string().into_string().unwrap();
        assert_eq!(source_folder(&format!("{calls}/../calls/"), &roots).unwrap(), calls);
    }
}
