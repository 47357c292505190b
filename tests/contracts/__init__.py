"""What a real system and its fake must both do: one class each, run by the unit and by the integration tests."""
