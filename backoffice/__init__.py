"""The ground all rooms stand on: settings, look, and what every app uses. Imports nothing of ours."""
