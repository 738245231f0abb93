//! The binary: a runtime around [`aml_runner::dispatch`].

use std::process::ExitCode;

use aml_runner::host::Env;

fn main() -> ExitCode {
    let env = Env::process();
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => {
            let code = runtime.block_on(aml_runner::dispatch::main(std::env::args_os(), env));
            // A thread that still reads a file or a pipe must not keep a finished process alive.
            runtime.shutdown_background();
            code
        }
        Err(_) => ExitCode::from(70),
    }
}
