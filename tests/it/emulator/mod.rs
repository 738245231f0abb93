//! The emulator from outside: plain HTTP against a running one, judged by what the real service answers.

mod assets;
mod batch;
mod blobs;
mod desk;
mod endpoints;
mod front_door;
mod jobs;
mod official;
mod pipelines;
mod run_history;
mod scoring;
mod serving;
mod sign_in;
