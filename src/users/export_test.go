package users

// EmailsToFoldQuery is the query of FoldEmails.
const EmailsToFoldQuery = emailsToFoldQuery
