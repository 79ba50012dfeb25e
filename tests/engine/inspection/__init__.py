"""What a network has learned, against slow references and Captum."""
