"""`python -m keras_ssl` is `keras-ssl`."""

from keras_ssl.cli.run import main

if __name__ == "__main__":
    main()
