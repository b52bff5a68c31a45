"""When each look and each retry is due, on a clock that counts only time that was lived through."""
