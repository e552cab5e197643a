"""Photo models from 64 to 224 pixels whose state is known: clean ones and backdoored ones."""
