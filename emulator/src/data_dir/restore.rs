//! What was kept, put back into the stores before anything is served.

use super::{DataDirError, Keep};
use crate::blob::signature::AccountKey;
use crate::blob::{BLOB, BLOCK};
use crate::clock::{CLOCK, Clock};
use crate::control::manners::MANNERS;
use crate::data_dir::{StoredBlob, StoredBlock};
use crate::estate::Estate;
use crate::online::keep::ENDPOINT;
use crate::operations::OPERATION;
use crate::run_history::store::RUN;
use crate::surface::Plane;
use crate::tokens::{Signer, TokenError};
use crate::world::{ASSIGNMENT, ISSUER, PRINCIPAL, RESOURCE, StoredIssuer};
use jiff::Timestamp;
use std::collections::BTreeSet;

const SIGNER: &str = "key\tsigner";
const ACCOUNT: &str = "key\taccount";
const LOOKED: &str = "schedules\tlooked";

impl Keep {
    fn one<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, DataDirError> {
        Ok(self.read(key)?.into_iter().next())
    }

    /// The key that signs tokens: kept, or new.
    pub(crate) fn signer(&self) -> Result<Signer, DataDirError> {
        if let Some(pem) = self.one::<String>(SIGNER)? {
            return Ok(Signer::from_pem(&pem)?);
        }
        let signer = Signer::generate().map_err(|error: TokenError| DataDirError::Key(error))?;
        self.put(|| SIGNER.to_owned(), &signer.pem());
        Ok(signer)
    }

    /// The key of storage accounts.
    pub(crate) fn account_key(&self) -> Result<AccountKey, DataDirError> {
        if let Some(key) = self.one::<String>(ACCOUNT)?.as_deref().and_then(AccountKey::from_base64) {
            return Ok(key);
        }
        let key = AccountKey::generate();
        self.put(|| ACCOUNT.to_owned(), &key.to_base64());
        Ok(key)
    }

    /// The clock, as it was set.
    pub(crate) fn clock(&self) -> Result<Clock, DataDirError> {
        let (machine, kept) = (Timestamp::now(), self.one(CLOCK)?);
        let clock = Clock::new(kept, machine, self.clone());
        Ok(clock)
    }

    /// When schedules were last looked at.
    pub(crate) fn looked(&self) -> Result<Option<Timestamp>, DataDirError> {
        self.one(LOOKED)
    }

    /// Schedules were looked at.
    pub(crate) fn note_looked(&self, at: Timestamp) {
        self.put(|| LOOKED.to_owned(), &at);
    }
}

/// Principals, roles, resources and operations; and blobs with their blocks.
pub(super) fn estate(keep: &Keep, estate: &Estate) -> Result<(), DataDirError> {
    {
        let mut world = estate.world();
        keep.read(PRINCIPAL)?.into_iter().for_each(|principal| world.put_principal(principal));
        for StoredIssuer { issuer, keys } in keep.read(ISSUER)? {
            world.put_issuer(&issuer, keys);
        }
        keep.read(ASSIGNMENT)?.into_iter().for_each(|assignment| world.put_assignment(assignment));
        keep.read(RESOURCE)?.into_iter().for_each(|resource| world.restore(resource));
    }
    if let Some(manners) = keep.one(MANNERS)?
        && let Err(error) = estate.manners.change(&manners)
    {
        tracing::warn!(%error, "the manners that were set are not known any more: they are the usual ones");
    }
    keep.read(OPERATION)?.into_iter().for_each(|operation| estate.operations.restore(operation));
    let mut used = BTreeSet::new();
    for stored in keep.read::<StoredBlob>(BLOB)? {
        used.insert(stored.file.clone());
        match keep.read_content(&stored.file) {
            Some(content) => estate.blobs.restore(stored, content),
            None => tracing::warn!(blob = ?stored.place, file = stored.file, "the content of a blob is lost"),
        }
    }
    for stored in keep.read::<StoredBlock>(BLOCK)? {
        used.insert(stored.file.clone());
        if let Some(content) = keep.read_content(&stored.file) {
            estate.blobs.restore_block(stored, content);
        }
    }
    keep.sweep(&used)
}

/// Runs, and endpoints: their models come from blobs and runs.
pub(super) fn plane(keep: &Keep, plane: &Plane) -> Result<(), DataDirError> {
    plane.jobs.runs().restore(keep.read(RUN)?);
    keep.read(ENDPOINT)?.into_iter().for_each(|endpoint| plane.online.restore(endpoint));
    Ok(())
}
