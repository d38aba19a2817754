//! Files among the server's temporary ones: below `temp_tablespaces`, within `temp_file_limit`, told of by
//! `log_temp_files`, and never left behind.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;

use pgrx::prelude::*;

/// A temporary file of the current transaction; deleted with the value. It must not outlive the transaction: drop it when that
/// ends, if not before.
#[derive(Debug)]
pub struct TemporaryFile(pg_sys::File);

impl TemporaryFile {
    /// A new one, empty. What the server raises leaves as a panic, here and below.
    pub fn create() -> TemporaryFile {
        // SAFETY: both are called inside a transaction, which the file is registered with: the server closes it at the
        // transaction's end, whoever forgets to. `drop` closes it before.
        unsafe {
            pg_sys::PrepareTempTablespaces();
            let _accountable = TransactionAccountable::enter();
            TemporaryFile(pg_sys::OpenTemporaryFile(false))
        }
    }

    /// Writes `bytes` at `offset` from the file's start. More than `temp_file_limit` raises 53400.
    ///
    /// # Errors
    /// What the system says, a full disk included.
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let offset = pg_sys::off_t::try_from(offset).map_err(io::Error::other)?;
        #[cfg(feature = "pg15")]
        let length = i32::try_from(bytes.len()).map_err(io::Error::other)?;
        #[cfg(not(feature = "pg15"))]
        let length = bytes.len();
        // SAFETY: the file is open until `drop`; the buffer, which is only read, has that length.
        let written = unsafe {
            pg_sys::FileWrite(
                self.0,
                bytes.as_ptr().cast_mut().cast(),
                length,
                offset,
                pg_sys::WaitEventIO::WAIT_EVENT_BUFFILE_WRITE,
            )
        };
        // A short write sets the error, too: to a full disk where the system gives no other.
        match usize::try_from(written) == Ok(bytes.len()) {
            true => Ok(()),
            false => Err(io::Error::last_os_error()),
        }
    }

    /// Makes the file `length` bytes long.
    ///
    /// # Errors
    /// What the system says.
    pub fn truncate(&self, length: u64) -> io::Result<()> {
        let length = pg_sys::off_t::try_from(length).map_err(io::Error::other)?;
        // SAFETY: the file is open until `drop`.
        let status = unsafe {
            pg_sys::FileTruncate(
                self.0,
                length,
                pg_sys::WaitEventIO::WAIT_EVENT_BUFFILE_TRUNCATE,
            )
        };
        match status {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The same file for threads and other code that knows nothing of the server; it can be read after this value is gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn share(&self) -> io::Result<File> {
        // SAFETY: asking for the size opens the file where the server had closed it to save descriptors; the
        // descriptor is duplicated before anything else could close it again.
        unsafe {
            if pg_sys::FileSize(self.0) < 0 {
                return Err(io::Error::last_os_error());
            }
            let descriptor = BorrowedFd::borrow_raw(pg_sys::FileGetRawDesc(self.0));
            Ok(descriptor.try_clone_to_owned()?.into())
        }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // SAFETY: open, for the transaction that it belongs to has not released its resources yet.
        unsafe { pg_sys::FileClose(self.0) };
    }
}

/// While it lives, the transaction is accountable for what is opened, and not the statement.
struct TransactionAccountable(pg_sys::ResourceOwner);

impl TransactionAccountable {
    fn enter() -> TransactionAccountable {
        // SAFETY: both globals are set inside a transaction.
        unsafe {
            let before = pg_sys::CurrentResourceOwner;
            pg_sys::CurrentResourceOwner = pg_sys::TopTransactionResourceOwner;
            TransactionAccountable(before)
        }
    }
}

impl Drop for TransactionAccountable {
    fn drop(&mut self) {
        // SAFETY: it was current in the frame that this value lives in, which it outlives.
        unsafe { pg_sys::CurrentResourceOwner = self.0 };
    }
}
