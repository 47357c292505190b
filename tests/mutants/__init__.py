"""Small changes for the worse, one patch each: the unit tests must see every one of them."""
