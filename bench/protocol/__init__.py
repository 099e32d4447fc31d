"""What makes a number trustworthy: splits and scaling, what forecasts are measured against, and errors."""
