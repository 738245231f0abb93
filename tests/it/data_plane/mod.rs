//! Plans carried out, logs followed and outputs fetched, against a scripted service and a small blob store on this machine.

mod apply;
mod digest;
mod downloads;
mod jobs;
mod logs;
mod oracle;
mod standing;
mod store;
mod uploads;
mod world;
