"""A mail server: IMAP for the mailbox that the product reads, SMTP for what it sends, and a page to read and write mails on."""
