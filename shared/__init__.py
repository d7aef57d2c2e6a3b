"""What Firstpass is: rules, flow and adapters. The doors are in functions/."""
