//! Stages on the emulator, down the same road as the product: happy, again, refused, bad input.

mod assets;
mod components;
mod connect;
mod create_compute;
mod create_schedule;
mod dry_run;
mod endpoints;
mod interrupted;
mod kit;
mod models;
mod read_config;
mod refused;
mod rollout;
mod run_job;
mod secrets;
mod sign_in;
mod smoke_test;
mod taxi;
