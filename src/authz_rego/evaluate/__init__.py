"""What compiled policies call while they are evaluated: looking into values, `with`, documents of rules and data."""
