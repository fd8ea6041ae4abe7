//! `wasi:filesystem` over the run's own directory: wasmtime's implementation behind a quota.
//!
//! Paths, symbolic links and what they may reach are wasmtime's business, which opens everything beneath the one directory that
//! is preopened. What is here: nothing is written without a grant, links are never made, what is made and grows is booked
//! ([`Ledger`]), all that work costs fuel, and what is open at a time is bounded. wasmtime does each operation on a thread for
//! blocking ones. A component waits for each call, so that one call and one operation per stream are going on at most.

mod ledger;
mod stream;

use super::RunState;
use crate::audit::Auditor;
use crate::rundir::WorkDirectory;
use blockhouse_policy::{FilesAccess, FilesPermit};
use ledger::{End, Held, Ledger, QuotaHit};
use std::fs::File;
use std::sync::{Arc, Weak};
use stream::{Place, Reader, Writer};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, Filesize,
    Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, ReaddirIterator};
use wasmtime_wasi::{FsPerms, OpenMode, WasiCtxBuilder};

/// Fuel for one operation on the disk beyond its bytes: handing it to another thread and a system call take some
/// ten microseconds.
const OPERATION: u64 = 20_000;

/// Fuel for a directory entry that is listed: a system call each.
const ENTRY: u64 = 2_000;

/// The longest path, in bytes; no system that we run on takes longer ones. Against paths that take long to look at.
const PATH_MAX: usize = 4096;

/// The name of the directory for the component.
const WORK: &str = "/work";

type Fd = Resource<Descriptor>;

/// A run's work on files.
#[derive(Debug)]
pub(super) struct Files {
    ledger: Arc<Ledger>,
    open: Vec<Open>,
}

/// Something that was opened, and may be closed by now.
#[derive(Debug)]
struct Open {
    file: Weak<File>,
    end: End,
}

/// A directory's entries that were not read yet. Stands where the bindings say `ReaddirIterator`, which can't be counted.
struct Listing {
    entries: std::vec::IntoIter<FsResult<DirectoryEntry>>,
    _held: Held,
}

/// Shows the component its directory, and nothing else.
pub(super) fn preopen(wasi: &mut WasiCtxBuilder, work: &WorkDirectory) -> wasmtime::Result<()> {
    let permissions = match work.permit().map(FilesPermit::access) {
        Some(FilesAccess::ReadWrite) => FsPerms::ReadWrite,
        Some(FilesAccess::ReadOnly) | None => FsPerms::ReadOnly,
    };
    wasi.preopened_dir(work.path(), WORK, permissions)?;
    Ok(())
}

impl From<QuotaHit> for FsError {
    fn from(_: QuotaHit) -> Self {
        ErrorCode::Quota.into()
    }
}

impl Files {
    pub(super) fn new(auditor: Arc<Auditor>, permit: Option<&FilesPermit>) -> Self {
        Self { ledger: Arc::new(Ledger::new(auditor, permit)), open: Vec::new() }
    }

    /// The work since the last call, to be charged as fuel.
    pub(super) fn take_work(&self) -> u64 {
        self.ledger.take_work()
    }

    /// The component asks for an operation on the disk.
    fn operation(&self) {
        self.ledger.charge(OPERATION);
    }

    fn operation_on(&self, path: &str) -> FsResult<()> {
        self.ledger.charge(OPERATION.saturating_add(path.len() as u64));
        if path.len() > PATH_MAX { Err(ErrorCode::NameTooLong.into()) } else { Ok(()) }
    }

    // SECURITY: walls::what_is_read_only_can_not_be_changed
    fn writing(&self) -> FsResult<()> {
        if self.ledger.may_write() { Ok(()) } else { Err(ErrorCode::ReadOnly.into()) }
    }

    /// Room for one more open file.
    fn opening(&mut self) -> FsResult<()> {
        self.open.retain(|open| open.file.strong_count() > 0);
        Ok(self.ledger.open(self.open.len())?)
    }

    /// Up to where the file's bytes are booked; for one that is not known, nothing is.
    fn end(&self, file: &Arc<File>) -> End {
        let open = self.open.iter().find(|open| open.file.as_ptr() == Arc::as_ptr(file));
        open.map(|open| open.end.clone()).unwrap_or_default()
    }

    /// Books a file or directory that is made by what has this result.
    fn made<T>(&self, result: FsResult<T>) -> FsResult<T> {
        // Only those codes with which the system says that there is nothing new.
        if let Err(error) = &result
            && let Some(ErrorCode::Exist | ErrorCode::NoEntry | ErrorCode::NotDirectory) =
                error.downcast_ref()
        {
            self.ledger.was_not_made();
        }
        result
    }
}

/// The same descriptor once more, for a call that takes one.
fn again(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

impl RunState {
    fn wasi_files(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemView::filesystem(self)
    }

    /// The file behind a descriptor, to know it again.
    fn file(&self, fd: &Fd) -> FsResult<Arc<File>> {
        match self.table.get(fd)? {
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
            Descriptor::File(file) => Ok(Arc::clone(&file.file)),
        }
    }

    /// Remembers what was opened; of a file that can be written also its length, which is booked already.
    async fn opened(&mut self, fd: Fd) -> FsResult<Fd> {
        let (file, is_written) = match self.table.get(&fd)? {
            Descriptor::Dir(dir) => (Arc::downgrade(&dir.dir), false),
            Descriptor::File(file) => {
                (Arc::downgrade(&file.file), file.open_mode.contains(OpenMode::WRITE))
            }
        };
        let mut end = End::default();
        if is_written {
            match self.wasi_files().stat(again(&fd)).await {
                Ok(stat) => end = End::of(stat.size),
                Err(error) => {
                    self.table.delete(fd)?;
                    return Err(error);
                }
            }
        }
        self.files.open.push(Open { file, end });
        Ok(fd)
    }

    fn writer(
        &mut self,
        fd: &Fd,
        place: Place,
        inner: Resource<DynOutputStream>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let end = self.files.end(&self.file(fd)?);
        let ledger = Arc::clone(&self.files.ledger);
        let inner = self.table.delete(inner)?;
        let held = ledger.stream()?;
        let writer = Writer { inner, ledger, end, place, is_closed: false, _held: held };
        let writer: DynOutputStream = Box::new(writer);
        Ok(self.table.push(writer)?)
    }
}

impl Host for RunState {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.wasi_files().convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        if self.table.get(&error)?.is::<QuotaHit>() {
            return Ok(Some(ErrorCode::Quota));
        }
        self.wasi_files().filesystem_error_code(error)
    }
}

impl HostDescriptor for RunState {
    async fn advise(&mut self, fd: Fd, _: Filesize, _: Filesize, _: Advice) -> FsResult<()> {
        // It would let a component read ahead for nothing.
        self.file(&fd).map(drop)
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.sync(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.files.operation();
        self.wasi_files().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.files.operation();
        self.wasi_files().get_type(fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.files.operation();
        self.files.writing()?;
        let end = self.files.end(&self.file(&fd)?);
        // Holes count: they can be filled later.
        self.files.ledger.grow_to(&end, size)?;
        self.wasi_files().set_size(fd, size).await
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.files.operation();
        self.files.writing()?;
        self.wasi_files().set_times(fd, accessed, modified).await
    }

    async fn read(
        &mut self,
        fd: Fd,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.files.operation();
        // wasmtime reads 64 KiB at most, whatever the length.
        let (bytes, is_end) = self.wasi_files().read(fd, length, offset).await?;
        self.charge(bytes.len());
        Ok((bytes, is_end))
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.files.operation();
        self.charge(bytes.len());
        self.files.writing()?;
        let end = self.files.end(&self.file(&fd)?);
        self.files.ledger.grow_to(&end, offset.saturating_add(bytes.len() as u64))?;
        self.wasi_files().write(fd, bytes, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<ReaddirIterator>> {
        self.files.operation();
        self.files.ledger.list()?;
        let stream = self.wasi_files().read_directory(fd).await?;
        let entries: Vec<_> = self.table.delete(stream)?.into_iter().collect();
        let count = entries.len() as u64;
        self.files.ledger.charge(count.saturating_mul(ENTRY));
        let held = self.files.ledger.listed(count);
        let listing = self.table.push(Listing { entries: entries.into_iter(), _held: held })?;
        Ok(Resource::new_own(listing.rep()))
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        // The directory does not outlive the run; syncing would do nothing but delay others, such as the journal.
        self.table.get(&fd)?;
        Ok(())
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files.operation_on(&path)?;
        self.files.writing()?;
        self.files.ledger.make()?;
        let result = self.wasi_files().create_directory_at(fd, path).await;
        self.files.made(result)
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.files.operation();
        self.wasi_files().stat(fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        self.files.operation_on(&path)?;
        self.wasi_files().stat_at(fd, flags, path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.files.operation_on(&path)?;
        self.files.writing()?;
        self.wasi_files().set_times_at(fd, flags, path, accessed, modified).await
    }

    async fn link_at(&mut self, _: Fd, _: PathFlags, _: String, _: Fd, _: String) -> FsResult<()> {
        // A link is never made, be it hard or symbolic: what is linked to could be reached in more ways than are thought of.
        // SECURITY: walls::links_are_never_made
        Err(ErrorCode::NotPermitted.into())
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        follow: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.files.operation_on(&path)?;
        let writes = how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE);
        if writes || flags.contains(DescriptorFlags::WRITE) {
            self.files.writing()?;
        }
        self.files.opening()?;
        let create = how.contains(OpenFlags::CREATE);
        if !create || !how.contains(OpenFlags::EXCLUSIVE) {
            // A file that exists is not booked again.
            let existing = how & !OpenFlags::CREATE;
            let mut wasi = self.wasi_files();
            match wasi.open_at(again(&fd), follow, path.clone(), existing, flags).await {
                Ok(opened) => return self.opened(opened).await,
                Err(error)
                    if create && matches!(error.downcast_ref(), Some(ErrorCode::NoEntry)) => {}
                Err(error) => return Err(error),
            }
            self.files.operation();
        }
        self.files.ledger.make()?;
        let result = self.wasi_files().open_at(fd, follow, path, how, flags).await;
        let opened = self.files.made(result)?;
        self.opened(opened).await
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.files.operation_on(&path)?;
        self.wasi_files().readlink_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files.operation_on(&path)?;
        self.files.writing()?;
        self.wasi_files().remove_directory_at(fd, path).await
    }

    async fn rename_at(
        &mut self,
        fd: Fd,
        old_path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        self.files.operation_on(&old_path)?;
        self.files.operation_on(&new_path)?;
        self.files.writing()?;
        self.wasi_files().rename_at(fd, old_path, new_fd, new_path).await
    }

    async fn symlink_at(&mut self, _: Fd, _: String, _: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.files.operation_on(&path)?;
        self.files.writing()?;
        self.wasi_files().unlink_file_at(fd, path).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let stream = self.wasi_files().read_via_stream(fd, offset)?;
        let inner = self.table.delete(stream)?;
        let ledger = Arc::clone(&self.files.ledger);
        let held = ledger.stream()?;
        let reader: DynInputStream = Box::new(Reader { inner, ledger, _held: held });
        Ok(self.table.push(reader)?)
    }

    fn write_via_stream(
        &mut self,
        fd: Fd,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.files.writing()?;
        let inner = self.wasi_files().write_via_stream(again(&fd), offset)?;
        self.writer(&fd, Place::At(offset), inner)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.files.writing()?;
        let inner = self.wasi_files().append_via_stream(again(&fd))?;
        self.writer(&fd, Place::Append, inner)
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.files.operation();
        self.wasi_files().is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.files.operation();
        self.wasi_files().metadata_hash(fd).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        self.files.operation_on(&path)?;
        self.wasi_files().metadata_hash_at(fd, flags, path).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.wasi_files(), fd)
    }
}

impl HostDirectoryEntryStream for RunState {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<ReaddirIterator>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let listing = self.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep()))?;
        let entry = listing.entries.next().transpose()?;
        self.charge(entry.as_ref().map_or(0, |entry| entry.name.len()));
        Ok(entry)
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}
