//! The folder of a demo: settings, the reference definition and saved values, all gone when it ends.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::remote::Failed;

/// The name of the demo's element.
pub(super) const ELEMENT: &str = "studio";
/// The reference definition, as it is in the repository.
const DEFINITION: &str = include_str!("../../../protocols/nmos-is07-events/protocol.xml");

/// A folder of its own below the system's one for temporary files; dropping it removes it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes the folder with the files of a demo whose sender is on `port`.
    pub(super) fn new(port: u16, api_port: u16) -> Result<Self, Failed> {
        let path = std::env::temp_dir().join(format!("backshell-demo-{}", std::process::id()));
        let cannot = |error: io::Error| Failed::Bad(format!("cannot make {}: {error}", path.display()));
        // A folder that is there already is somebody else's, and refused.
        create_private(&path).map_err(cannot)?;
        let folder = Self { path: path.clone() };
        let settings = format!(
            "data_dir = \"data\"\n\n[api]\nlisten = \"127.0.0.1:{api_port}\"\n\n[[element]]\nname = \"{ELEMENT}\"\nprotocol = \"protocol.xml\"\n[element.connection.0]\nhost = \"ws://127.0.0.1\"\nport = {port}\n"
        );
        std::fs::write(folder.settings(), settings).map_err(cannot)?;
        std::fs::write(path.join("protocol.xml"), DEFINITION).map_err(cannot)?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn settings(&self) -> PathBuf {
        self.path.join("backshell.toml")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(folder = %self.path.display(), %error, "the demo's folder cannot be removed");
        }
    }
}

/// Makes a folder that only this user can enter.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}
