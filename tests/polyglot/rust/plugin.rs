//! The sample of `tests/polyglot` in Rust, with the SDK.

use muster_sdk::{CallError, Caller, command, data, plugin};

/// Greets somebody
#[command(tags("polyglot"))]
fn poly_greet(
    /// Whom to greet.
    #[schemars(length(min = 1, max = 64))]
    name: String,
) -> Result<String, CallError> {
    if name == "nobody" {
        return Err(CallError::invalid("/name", "somebody to greet"));
    }
    Ok(format!("Hello, {name}!"))
}

/// Adds numbers
#[command(tags("polyglot"))]
fn poly_sum(
    /// Decimal digits.
    numbers: Vec<String>,
) -> Result<String, CallError> {
    let too_large = || CallError::failed("the sum has more than 64 bits");
    let mut sum = 0_u64;
    for number in numbers {
        let number: u64 = number.parse().map_err(|_| too_large())?;
        sum = sum.checked_add(number).ok_or_else(too_large)?;
    }
    Ok(sum.to_string())
}

/// Who called, and how.
#[data]
struct Whoami {
    /// The account.
    account: Option<String>,
    /// The interface.
    via: String,
}

/// Tells who calls
#[command(tags("polyglot"))]
fn poly_whoami(caller: Caller) -> Whoami {
    Whoami { account: caller.account, via: caller.via }
}

/// Fails
#[command(tags("polyglot"))]
fn poly_fail(
    /// How.
    kind: String,
) -> Result<bool, CallError> {
    Err(match kind.as_str() {
        "not_found" => CallError::not_found("as asked"),
        "conflict" => CallError::conflict("as asked"),
        "unavailable" => CallError::unavailable("as asked"),
        "crash" => std::process::abort(),
        _ => CallError::failed("as asked"),
    })
}

plugin!(poly_greet, poly_sum, poly_whoami, poly_fail);
